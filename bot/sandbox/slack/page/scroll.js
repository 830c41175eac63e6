/** Keeps a reader's place while messages arrive: at the bottom it follows, elsewhere it stays and offers a way down. */

const NEAR = 60; // pixels from the bottom that still count as the bottom

export class Scroll {
  constructor(box, latest) {
    this.box = box;
    this.latest = latest;
    this.following = true;
    box.addEventListener(
      "scroll",
      () => {
        this.following = this.#atBottom();
        if (this.following) latest.hidden = true;
      },
      { passive: true },
    );
    latest.addEventListener("click", () => this.down());
    // Pictures and a growing board change the height without a message having come.
    const heights = new ResizeObserver(() => this.following && this.down());
    heights.observe(box);
    for (const child of box.children) heights.observe(child);
  }

  #atBottom() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR;
  }

  down() {
    this.box.scrollTop = this.box.scrollHeight;
    this.following = true;
    this.latest.hidden = true;
  }

  /** `draw` changes the content and answers whether something new came below. */
  around(draw) {
    const follow = this.following;
    const news = draw();
    if (follow) this.down();
    else if (news) this.latest.hidden = false;
  }
}
