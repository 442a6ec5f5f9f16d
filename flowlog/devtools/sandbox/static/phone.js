"use strict";

// Fetches the page again and puts its live parts in place; the server answers 304 while nothing is new.
const PERIOD = 1500;
const NEAR_END = 120;
const chat = document.getElementById("chat");
let tag = "";
let timer = 0;

function atEnd() {
  return chat && chat.scrollHeight - chat.scrollTop - chat.clientHeight < NEAR_END;
}

function toEnd(smooth) {
  if (chat) chat.scrollTo({ top: chat.scrollHeight, behavior: smooth ? "smooth" : "instant" });
}

function put(fresh) {
  const known = new Set([...document.querySelectorAll(".bubble")].map((bubble) => bubble.id));
  const follow = atEnd();
  let added = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (next && next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
  }
  for (const bubble of document.querySelectorAll(".bubble")) {
    if (known.has(bubble.id)) continue;
    bubble.classList.add("arriving");
    added = true;
  }
  if (added && follow) toEnd(true);
}

async function refresh() {
  clearTimeout(timer);
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(location.pathname, { headers, cache: "no-store" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") || "";
      put(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    document.body.classList.remove("offline");
  } catch {
    document.body.classList.add("offline");
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, PERIOD);
}

// Without this script, forms work too: the page is loaded again.
async function submit(event) {
  const form = event.target;
  if ("leaves" in form.dataset) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  try {
    await fetch(form.action, { method: "POST", body, redirect: "manual" });
  } catch {
    document.body.classList.add("offline");
    return;
  }
  if (!("keeps" in form.dataset)) form.reset();
  form.querySelector(".quote")?.remove();
  toEnd(false);
  await refresh();
}

document.addEventListener("submit", submit);

toEnd(false);
// Fonts that arrive late make the messages taller.
document.fonts.ready.then(() => toEnd(false));
refresh();
