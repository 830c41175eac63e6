/** The shortcodes that operations messages use; others stay as they were written. */

const CODES = {
  white_check_mark: "✅", heavy_check_mark: "✔️", ballot_box_with_check: "☑️", x: "❌", no_entry: "⛔", no_entry_sign: "🚫",
  octagonal_sign: "🛑", stop_sign: "🛑", warning: "⚠️", rotating_light: "🚨", fire: "🔥", boom: "💥", bangbang: "‼️",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", stopwatch: "⏱️", alarm_clock: "⏰", clock1: "🕐", calendar: "📅", date: "📅",
  spiral_calendar_pad: "🗓️", large_green_circle: "🟢", large_yellow_circle: "🟡", large_orange_circle: "🟠", red_circle: "🔴",
  large_red_circle: "🔴", large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", large_green_square: "🟩",
  white_large_square: "⬜", white_square: "◽", white_small_square: "▫️", black_small_square: "▪️", radio_button: "🔘",
  arrow_right: "➡️", arrow_left: "⬅️", arrow_up: "⬆️", arrow_down: "⬇️", arrow_forward: "▶️", arrow_backward: "◀️",
  leftwards_arrow_with_hook: "↩️", arrows_counterclockwise: "🔄", repeat: "🔁", fast_forward: "⏩", rewind: "⏪",
  double_vertical_bar: "⏸️", pause_button: "⏸️", black_square_for_stop: "⏹️", next_track_button: "⏭️", heavy_minus_sign: "➖",
  black_right_pointing_triangle_with_double_vertical_bar: "⏯️", heavy_plus_sign: "➕", question: "❓", grey_question: "❔",
  exclamation: "❗", information_source: "ℹ️", bulb: "💡", lock: "🔒", unlock: "🔓", closed_lock_with_key: "🔐", key: "🔑",
  shield: "🛡️", eyes: "👀", wave: "👋", "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", raised_hand: "✋",
  point_right: "👉", tada: "🎉", rocket: "🚀", bell: "🔔", no_bell: "🔕", loudspeaker: "📢", mega: "📣", memo: "📝",
  clipboard: "📋", page_facing_up: "📄", scroll: "📜", books: "📚", package: "📦", chart_with_upwards_trend: "📈",
  chart_with_downwards_trend: "📉", bar_chart: "📊", mag: "🔍", gear: "⚙️", wrench: "🔧", hammer_and_wrench: "🛠️", link: "🔗",
  globe_with_meridians: "🌐", earth_americas: "🌎", house: "🏠", vertical_traffic_light: "🚦", traffic_light: "🚥",
  railway_track: "🛤️", train: "🚋", construction: "🚧", test_tube: "🧪", robot_face: "🤖", bust_in_silhouette: "👤",
  busts_in_silhouette: "👥", ghost: "👻", zzz: "💤", sleeping: "😴", moneybag: "💰", credit_card: "💳", floppy_disk: "💾",
  file_cabinet: "🗄️", card_file_box: "🗃️", inbox_tray: "📥", outbox_tray: "📤", round_pushpin: "📍", pushpin: "📌", star: "⭐",
  one: "1️⃣", two: "2️⃣", three: "3️⃣", sos: "🆘", ok: "🆗", new: "🆕", checkered_flag: "🏁", triangular_flag_on_post: "🚩",
};

/** The character for a shortcode, or undefined. */
export const emoji = (code) => (Object.hasOwn(CODES, code) ? CODES[code] : undefined);

/** Plain text with known shortcodes replaced. */
export const withEmoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, code) => emoji(code) ?? whole);
