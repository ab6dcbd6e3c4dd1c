// Makes the pages live: counts deadlines down, fetches what changed, listens to the keyboard.
"use strict";

// The server's clock rules; this is how far ours is off.
const skew = Number(document.body.dataset.now || Date.now()) - Date.now();

// A page that a refused form led to stands at the form's address, where there is nothing to fetch again.
if (document.body.dataset.refresh) history.replaceState(null, "", document.body.dataset.refresh);

function left(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s % 60} s` : `${s} s`;
}

function count() {
  for (const time of document.querySelectorAll("time[data-deadline]")) {
    const ms = Number(time.dataset.deadline) - Date.now() - skew;
    time.textContent = left(ms);
    time.classList.toggle("soon", ms < 60000);
    if (ms <= 0 && !time.dataset.over) {
      time.dataset.over = "yes";
      changed();
    }
  }
}

// What somebody has begun to fill in or opened stays as it is, what they typed into a form that was refused, and what
// says the same as before.
function busy(part) {
  const fields = [...part.querySelectorAll("textarea, input:not([type=hidden], [name=request]), select")];
  const begun = (field) => field.type === "radio" || field.type === "checkbox"
    ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  const active = document.activeElement;
  const inHand = part.contains(active) && active.matches("textarea, input:not([name=request]), select, button, summary");
  const opened = part.querySelector("details.say[open], details.bulk[open]") !== null;
  return fields.some(begun) || inHand || opened || "typed" in part.dataset;
}

// Writes a part anew. What is chosen in a list stays chosen, and one stays where one was.
function rewrite(part, fresh) {
  const chosen = [...part.querySelectorAll("[name=request]:checked")].map((box) => box.value);
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  const place = (element) => element.matches(".row a") ? element.getAttribute("href")
    : element.matches("[name=request]") ? element.value : null;
  const was = active && place(active);
  part.innerHTML = fresh.innerHTML;
  delete part.dataset.typed;
  for (const box of part.querySelectorAll("[name=request]")) box.checked = chosen.includes(box.value);
  if (was) [...part.querySelectorAll(".row a, [name=request]")].find((element) => place(element) === was)?.focus();
}

// Replaces the parts that changed. A part in use is replaced only once the request is closed.
async function refresh() {
  // What a page does by itself is no sign that somebody is there.
  const headers = { accept: "text/html", "countersign-refresh": document.body.dataset.shown || "yes" };
  const reply = await fetch(location.pathname + location.search, { headers });
  if (reply.status === 401 || reply.redirected) return location.assign(`/login?next=${location.pathname}`);
  // What fails for a moment must not take away what somebody has begun.
  if (!reply.ok) return;
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!fresh || busy(part) && fresh.querySelector("form")) continue;
    if (fresh.dataset.version && fresh.dataset.version === part.dataset.version) continue;
    const same = (element) => element.innerHTML.replaceAll(/<time[^]*?<\/time>/g, "");
    if (same(part) !== same(fresh)) rewrite(part, fresh);
    if (fresh.dataset.version) part.dataset.version = fresh.dataset.version;
  }
  document.title = page.title;
  count();
}

// One refresh at a time and at most one a second, and not at the same moment in every open page. What changes meanwhile
// is seen by the next.
let running = false, again = false;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function changed() {
  again = true;
  if (running) return;
  running = true;
  while (again) {
    await wait(200 * Math.random());
    again = false;
    await refresh().catch(() => {});
    await wait(1000);
  }
  running = false;
}

function move(by) {
  const rows = [...document.querySelectorAll(".row a")];
  const at = rows.indexOf(document.activeElement);
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

// A key brings one to the button or the field; a second one, Enter, is what decides.
function reach(key) {
  // Some ways to do it are not there for every browser.
  const target = [...document.querySelectorAll(`[data-key="${key}"]`)].find((way) => way.offsetParent);
  if (!target) return;
  if (target.tagName === "SUMMARY") target.parentElement.open = true;
  const field = target.tagName === "SUMMARY" ? target.parentElement.querySelector("textarea") : target;
  field.focus();
  field.scrollIntoView({ block: "nearest" });
}

// Letters by themselves do something only while somebody wants them to (WCAG 2.1.4).
const OFF = "shortcuts-off";
function toggle(button) {
  const off = localStorage.getItem(OFF) !== null;
  button.textContent = off ? "Turn keys on" : "Turn keys off";
  document.body.classList.toggle(OFF, off);
}
for (const button of document.querySelectorAll("[data-toggle=shortcuts]")) {
  button.hidden = false;
  toggle(button);
  button.addEventListener("click", () => {
    if (localStorage.getItem(OFF) === null) localStorage.setItem(OFF, "yes");
    else localStorage.removeItem(OFF);
    toggle(button);
  });
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select");
  if (event.key === "Escape" && typing) return typing.blur();
  if (localStorage.getItem(OFF) !== null) return;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const page = document.body.dataset.page;
  if (page === "queue" && event.key === "j") move(1);
  else if (page === "queue" && event.key === "k") move(-1);
  else if (page === "request" && event.key === "u") location.assign("/inbox");
  else if (page === "request" && "arf".includes(event.key)) reach(event.key);
  else return;
  event.preventDefault();
});

if (document.body.dataset.page) {
  count();
  setInterval(count, 1000);
}
const AGAIN = 30_000;
function listen() {
  const changes = new EventSource("/inbox/changes");
  changes.addEventListener("change", changed);
  // After a break anything may have happened.
  changes.addEventListener("open", changed);
  changes.addEventListener("error", () => {
    if (changes.readyState !== EventSource.CLOSED) return;
    // Refused: the session is over, or too many pages of this person listen.
    changed();
    setTimeout(listen, AGAIN);
  });
}
if (document.querySelector("[data-live]")) listen();
