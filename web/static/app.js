// Keeps a page alive: ticking clocks, sections that follow the run, forms that don't lose one's place.
// Without it every page works by itself.

const skew = Date.parse(document.body.dataset.now) - Date.now();
const now = () => Date.now() + skew;

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
    const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      const used = old.contains(document.activeElement) && old.matches(":has(input:not([type=hidden]))");
      if (fresh && !used && fresh.innerHTML !== old.dataset.seen) {
        const focused = old.contains(document.activeElement) ? document.activeElement.textContent : null;
        old.dataset.seen = fresh.innerHTML;
        old.innerHTML = fresh.innerHTML;
        if (focused) [...old.querySelectorAll("button, a")].find((e) => e.textContent === focused)?.focus();
      }
    }
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
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 200);
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

// Acts are sent in place, so that what is written in another form is not lost.
async function act(event) {
  const form = event.target.closest("form[data-act]");
  if (!form) return;
  event.preventDefault();
  const said = document.getElementById("said");
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { accept: "application/problem+json" },
      body: new URLSearchParams(new FormData(form)),
    });
    if (answer.ok) {
      said.textContent = "";
      said.className = "said";
      form.reset();
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
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick());
tick();
setInterval(tick, 1000);
follow();
