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

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    element.textContent = clock(now() - Date.parse(element.dataset.since));
  }
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = Date.parse(element.dataset.until) - now();
    element.textContent = left < 0 ? `${clock(left)} late` : clock(left);
    element.classList.toggle("overdue", left < 0);
    element.classList.toggle("soon", left >= 0 && left < 60000);
  }
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

function announce(page, before) {
  const place = document.getElementById("announcer");
  const entries = [...page.querySelectorAll("#log li[id] .log-what")].map((entry) => entry.textContent.trim());
  const fresh = entries.slice(0, Math.max(entries.length - before, 0)).slice(0, 3);
  if (place && fresh.length) place.textContent = fresh.reverse().join(". ");
}

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
    // No answer is no news: the stream is opened again by the browser, and then the page is asked for again.
    const answer = await wanted.catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = document.querySelectorAll("#log li[id]").length;
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      const used = old.contains(document.activeElement) && old.matches(":has(input:not([type=hidden]), textarea)");
      if (fresh && !used && fresh.innerHTML !== old.dataset.seen) {
        const focused = old.contains(document.activeElement) ? document.activeElement.textContent : null;
        const open = [...old.querySelectorAll("details[id][open]")].map((details) => details.id);
        const scrolled = [...old.querySelectorAll(".scroll, .log")].map((box) => [box.scrollLeft, box.scrollTop]);
        old.dataset.seen = fresh.innerHTML;
        old.innerHTML = fresh.innerHTML;
        for (const id of open) document.getElementById(id)?.setAttribute("open", "");
        [...old.querySelectorAll(".scroll, .log")].forEach((box, at) => scrolled[at] && box.scrollTo(...scrolled[at]));
        localise(old);
        if (focused) [...old.querySelectorAll("button, a, summary")].find((e) => e.textContent === focused)?.focus();
      }
    }
    if (document.getElementById("log")) announce(page, told);
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

function follow() {
  const source = document.querySelector("[data-changes]");
  if (source) {
    let waiting = 0;
    const stream = new EventSource(source.dataset.changes);
    // Not all who follow at once: the news says within how many milliseconds to look.
    const soon = (news) => {
      waiting ||= setTimeout(() => {
        waiting = 0;
        refresh();
      }, 50 + Math.random() * (Number(news.data) || 0));
    };
    stream.onmessage = soon;
    // The stream ends with the run; a broken one is opened again by the browser.
    stream.onerror = soon;
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
  const said = document.getElementById("said");
  const button = event.submitter ?? form.querySelector("button");
  // Read before the button is disabled: what is disabled is not sent.
  const body = new URLSearchParams(new FormData(form, event.submitter));
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { accept: "application/problem+json" },
      body,
    });
    if (answer.ok) {
      said.textContent = "";
      said.className = "said";
      form.reset();
      form.dispatchEvent(new Event("change", { bubbles: true }));
      if (form.closest("details.act") && !form.closest("[data-live]")) form.closest("details.act").open = false;
    } else {
      const problem = await answer.json();
      said.textContent = problem.detail;
      said.className = "said bad";
      said.scrollIntoView({ block: "nearest" });
    }
  } catch {
    said.textContent = "The server did not answer: nothing was recorded.";
    said.className = "said bad";
  } finally {
    button.disabled = false;
    refresh();
  }
}

document.addEventListener("submit", act);
document.addEventListener("input", draft);
document.addEventListener("change", draft);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick());
chooseZone();
offerOwnZone();
localise(document);
tick();
setInterval(tick, 1000);
follow();
