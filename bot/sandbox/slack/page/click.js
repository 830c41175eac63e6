/** A click on its way to the app, and what is said when it did not get there. */

import { post } from "./api.js";
import { app } from "./state.js";

const TROUBLES = {
  operation_timeout: "The app did not answer within 3 s.",
  dispatch_failed: "Nobody is there to answer.",
  http_client_error: "The app refused the request.",
};

/** Words for an error code of the simulator; other text stays as it is. */
export const trouble = (error) => TROUBLES[error] ?? String(error ?? "The app did not answer.");

/** For `blocks`: delivers the actions of one message or view (`target` names it), answers a line of trouble or null. */
export const clicks = (target) => async (element, block, value) => {
  try {
    const answer = await post("/page/click", {
      user: app.user,
      ...target,
      action_id: element.action_id,
      block_id: block.block_id,
      value,
    });
    return answer.ok === false ? trouble(answer.error) : null;
  } catch (refused) {
    return refused.message;
  }
};
