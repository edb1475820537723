// Keeps a page alive: ticking clocks, times in the reader's zone, sections that follow the run, forms that don't lose
// one's place. Without it every page works by itself, in UTC.

const skew = Date.parse(document.body.dataset.now) - Date.now();
const now = () => Date.now() + skew;

// Times. Pages come in UTC; the reader's own zone is shown, and UTC is a button away and in every title.

const zones = { own: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", key: "firedrill.utc" };
zones.utc = zones.own === "UTC" || localStorage.getItem(zones.key) === "1";

function parts(iso) {
  const zone = zones.utc ? "UTC" : zones.own;
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  const named = Object.fromEntries(format.formatToParts(new Date(iso)).map((part) => [part.type, part.value]));
  return {
    day: `${named.year}-${named.month}-${named.day}`,
    clock: `${named.hour}:${named.minute}:${named.second}`,
  };
}

function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = parts(element.dateTime);
    const put = (where, text) => where && where.textContent !== text && (where.textContent = text);
    put(element.matches("[data-clock]") ? element : element.querySelector("[data-clock]"), at.clock);
    put(element.querySelector(".day"), at.day);
  }
}

function chooseZone() {
  const told = document.getElementById("zone");
  if (!told || zones.own === "UTC") return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet-button small-button";
  const show = () => {
    told.textContent = `all times in ${zones.utc ? "UTC" : zones.own.replaceAll("_", " ")} `;
    button.textContent = zones.utc ? `Show ${zones.own.replaceAll("_", " ")}` : "Show UTC";
    told.append(button);
  };
  button.addEventListener("click", () => {
    zones.utc = !zones.utc;
    localStorage.setItem(zones.key, zones.utc ? "1" : "0");
    show();
    localise(document);
    button.focus();
  });
  show();
}

// A calendar is drawn by the server, in one zone: the reader's own is a click away.
function offerOwnZone() {
  const link = document.querySelector("[data-own-zone]");
  if (!link || link.dataset.ownZone === zones.own) return;
  link.href += encodeURIComponent(zones.own);
  link.append(zones.own.replaceAll("_", " "));
  link.hidden = false;
}

// Clocks.

function clock(milliseconds) {
  const seconds = Math.floor(Math.abs(milliseconds) / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const days = Math.floor(hours / 24);
  if (days > 1) return `${days} days`;
  const minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// Which clocks were said to be short or late already.
const spoken = new Set();
let ticked = false;

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = clock(now() - Date.parse(element.dataset.since));
  }
  const turned = [];
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = Date.parse(element.dataset.until) - now();
    const state = left < 0 ? "overdue" : left < 60000 ? "soon" : "";
    element.textContent = left < 0 ? `${clock(left)} late` : clock(left);
    element.classList.toggle("overdue", state === "overdue");
    element.classList.toggle("soon", state === "soon");
    const told = element.closest("[data-told]")?.dataset.told;
    const key = `${told} ${element.dataset.until} ${state}`;
    if (told && state && !spoken.has(key)) {
      spoken.add(key);
      turned.push(`${told}: ${state === "soon" ? "due within a minute" : "late"}`);
    }
  }
  // What was so when the page came is on it.
  if (turned.length && ticked) say(turned.join(". "));
  ticked = true;
  // A meter is as wide as the time that has passed of all there is.
  for (const fill of document.querySelectorAll("[data-from][data-to]")) {
    const [from, within, to] = ["from", "within", "to"].map((name) => Date.parse(fill.dataset[name]));
    const share = Math.min(Math.max((now() - from) / (to - from), 0), 1);
    fill.setAttribute("width", (share * 100).toFixed(2));
    fill.classList.toggle("warn", now() > within && now() <= to);
    fill.classList.toggle("bad", now() > to);
  }
}

// What changes is said to those who don't see it, the latest first, and never a flood.

function say(text) {
  const place = document.getElementById("announcer");
  if (place) place.textContent = text;
}

function announce(page, before) {
  const entries = [...page.querySelectorAll("#log li[id] .log-what")].map((entry) => entry.textContent.trim());
  const fresh = entries.slice(0, Math.max(entries.length - before, 0)).slice(0, 3);
  if (fresh.length) say(fresh.reverse().join(". "));
}

// A page that can't follow says so: clocks that tick over an old picture mislead.
function stale(is) {
  const place = document.getElementById("stale");
  if (!place) return;
  if (!is) {
    place.textContent = "";
    place.className = "said";
  } else if (!place.textContent) {
    const at = parts(new Date(now()).toISOString()).clock;
    place.textContent = `Not connected: this shows how things stood at ${at}. Load the page again if it stays so.`;
    place.className = "said bad";
  }
}

// Where one is in a section: what has the focus, what one opened or shut, how far one scrolled.
const FOCUSABLE = "button, a, summary, [tabindex]";
const shut = new Map();

function placeIn(section) {
  const all = [...section.querySelectorAll(FOCUSABLE)];
  const focused = all.indexOf(document.activeElement);
  const text = (element) => element.textContent.trim();
  const alike = focused < 0 ? [] : all.filter((element) => text(element) === text(all[focused]));
  return {
    focused: focused < 0 ? null : { text: text(all[focused]), nth: alike.indexOf(all[focused]), at: focused },
    scrolled: [...section.querySelectorAll(".scroll, .log")].map((box) => [box.scrollLeft, box.scrollTop]),
  };
}

function restore(section, { focused, scrolled }) {
  for (const details of section.querySelectorAll("details[id]")) {
    if (shut.has(details.id)) details.open = shut.get(details.id);
  }
  [...section.querySelectorAll(".scroll, .log")].forEach((box, at) => scrolled[at] && box.scrollTo(...scrolled[at]));
  if (!focused) return;
  const all = [...section.querySelectorAll(FOCUSABLE)];
  const same = all.filter((element) => element.textContent.trim() === focused.text);
  // A button that says something else now is still the one that was there.
  (same[focused.nth] ?? all[focused.at])?.focus({ preventScroll: true });
}

// Only what the reader opened or shut is kept so; the rest is as the server says.
document.addEventListener("click", (event) => {
  const details = event.target.closest("summary")?.parentElement;
  if (details?.id) shut.set(details.id, !details.open);
});

const isWritten = (section) =>
  [...section.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);

// Fetches the page again and takes over the sections that are marked as live. Forms being written in stay.
let asking = false;
let again = false;
async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const wanted = fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
    const answer = await wanted.catch(() => null);
    // Whoever is sent elsewhere, to log in, sees no news either.
    if (!answer?.ok || answer.redirected) {
      stale(true);
      return;
    }
    stale(false);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = document.querySelectorAll("#log li[id]").length;
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      const used = old.contains(document.activeElement) && old.matches(":has(input:not([type=hidden]), textarea)");
      if (fresh && !used && !isWritten(old) && fresh.innerHTML !== old.dataset.seen) {
        const place = placeIn(old);
        old.dataset.seen = fresh.innerHTML;
        old.innerHTML = fresh.innerHTML;
        restore(old, place);
        localise(old);
      }
    }
    chooseStage(page);
    if (document.getElementById("log")) announce(page, before);
    const state = document.querySelector("[data-live-state]");
    const fresh = state && page.getElementById(state.id);
    if (fresh && fresh.dataset.liveState !== state.dataset.liveState) location.reload();
    tick();
  } finally {
    asking = false;
    if (again) {
      again = false;
      setTimeout(refresh, 250);
    }
  }
}

// What most likely is said next, as long as nobody has begun to write.
function chooseStage(page) {
  const [old, fresh] = [document, page].map((one) => one.querySelector("#composer [name=stage]"));
  if (old && fresh && !old.form.elements.text.value) old.value = fresh.value;
}

function follow() {
  const source = document.querySelector("[data-changes]");
  if (source) {
    let waiting = 0;
    // Not all who follow at once: the news says within how many milliseconds to look.
    const soon = (news) => {
      waiting ||= setTimeout(() => {
        waiting = 0;
        refresh();
      }, 50 + Math.random() * (Number(news.data) || 0));
    };
    const open = () => {
      const stream = new EventSource(source.dataset.changes);
      stream.onmessage = soon;
      stream.onerror = (news) => {
        soon(news);
        // A broken stream is opened again by the browser, one that was refused is not.
        if (stream.readyState === EventSource.CLOSED) setTimeout(open, 5000);
      };
    };
    open();
  }
  const every = document.querySelector("[data-every]");
  if (every) {
    setInterval(() => document.visibilityState === "visible" && refresh(), Number(every.dataset.every) * 1000);
  }
}

// A draft is looked at while it is written, by the server, which will judge it by the same rules.
let looking = 0;
function draft(event) {
  const form = event.target.closest?.("form[data-draft]");
  if (!form) return;
  clearTimeout(looking);
  looking = setTimeout(() => look(form), 400);
}

// Puts in what a template made, as if it were typed: undoing brings back what was there.
function fill(form, { text, made, trouble }) {
  form.querySelector("[data-trouble]").textContent = trouble ?? "";
  if (trouble) return;
  const field = form.elements.text;
  field.focus();
  field.select();
  if (!document.execCommand("insertText", false, text)) field.value = text;
  form.elements.made.value = made;
}

async function look(form, button) {
  const answer = await fetch(form.dataset.draft, {
    method: "POST",
    headers: { accept: "application/json" },
    body: new URLSearchParams(new FormData(form, button)),
  }).catch(() => null);
  if (!answer?.ok) return;
  const looked = await answer.json();
  if (button?.name === "fill") fill(form, looked);
  const lines = looked.parts.map((part) => {
    const line = document.createElement("li");
    line.className = part.there ? "has" : "lacking";
    const mark = document.createElement("span");
    mark.ariaHidden = "true";
    mark.textContent = part.there ? "✓" : "○";
    const told = document.createElement("span");
    told.className = "visually-hidden";
    told.textContent = part.there ? "there:" : "missing:";
    line.append(mark, " ", told, ` ${part.what}`);
    return line;
  });
  const list = form.querySelector("[data-lacks]");
  if (lines.map((line) => line.textContent).join() !== [...list.children].map((line) => line.textContent).join()) {
    list.replaceChildren(...lines);
  }
}

// Acts are sent in place, so that what is written in another form is not lost.
async function act(event) {
  const form = event.target.closest("form[data-act]");
  if (!form) return;
  event.preventDefault();
  if (event.submitter?.matches("[data-check]")) {
    look(form, event.submitter);
    return;
  }
  if (form.dataset.sending) return;
  form.dataset.sending = "1";
  const button = event.submitter ?? form.querySelector("button");
  const body = new URLSearchParams(new FormData(form, event.submitter));
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { accept: "application/problem+json" },
      body,
    });
    if (answer.ok) {
      const details = form.closest("details.act");
      const what = form.closest("[data-live]") ? button : details?.querySelector("summary") ?? button;
      told("good", `Recorded: ${what.textContent.trim()}`);
      form.reset();
      form.dispatchEvent(new Event("change", { bubbles: true }));
      if (details && !form.closest("[data-live]")) {
        details.open = false;
        details.querySelector("summary").focus({ preventScroll: true });
      }
    } else {
      const problem = await answer.json();
      told("bad", problem.detail);
    }
  } catch {
    told("bad", "No answer came. It may have been recorded: look at what happened before you send it again.");
  } finally {
    button.removeAttribute("aria-disabled");
    delete form.dataset.sending;
    refresh();
  }
}

// What became of an act. Good news goes by itself.
let telling = 0;
function told(look, text) {
  const said = document.getElementById("said");
  clearTimeout(telling);
  said.textContent = text;
  said.className = `said ${look}`;
  if (look === "good") telling = setTimeout(() => told("", ""), 6000);
}

// A time that is asked for in UTC, said back in the reader's zone, which the page shows.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-utc]")) return;
  const place = event.target.parentElement.querySelector("[data-meant]");
  const typed = event.target.value.trim();
  const at = new Date(/(z|[+-]\d\d:?\d\d)$/i.test(typed) ? typed : `${typed}Z`);
  const meant = Number.isNaN(at.getTime()) ? null : parts(at.toISOString());
  place.textContent = meant && zones.own !== "UTC" ? `is ${meant.day} ${meant.clock} on this page` : "";
});

// A file that is written in: what acts on the saved one waits, and leaving asks.
function guardEdits() {
  const text = document.querySelector("textarea.editor-text");
  if (!text) return;
  const isEdited = () => text.value !== text.defaultValue;
  const others = document.querySelectorAll("[data-saved]");
  text.addEventListener("input", () => {
    for (const button of others) {
      button.disabled = isEdited();
      button.title = isEdited() ? "Save the file first: this uses it as it is saved" : "";
    }
  });
  let leaving = false;
  text.form?.addEventListener("submit", () => (leaving = true));
  addEventListener("beforeunload", (event) => !leaving && isEdited() && event.preventDefault());
}

document.addEventListener("submit", act);
document.addEventListener("input", draft);
document.addEventListener("change", draft);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick());
chooseZone();
offerOwnZone();
guardEdits();
localise(document);
tick();
setInterval(tick, 1000);
follow();
