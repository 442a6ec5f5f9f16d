// How far something in the background has come, on its page, without loading it again: what is typed there stays.
"use strict";
{
    const PAUSE = 3000;

    const follow = async (region) => {
        try {
            const response = await fetch(location.href, { redirect: "error", cache: "no-store" });
            if (!response.ok) throw new Error(response.statusText);
            const page = new DOMParser().parseFromString(await response.text(), "text/html");
            const now = page.querySelector("[data-progress]");
            // It has ended, and its page offers something else.
            if (!now) return location.reload();
            region.replaceChildren(...now.childNodes);
        } catch {
            // The next time.
        }
        setTimeout(follow, PAUSE, region);
    };

    const region = document.querySelector("[data-progress]");
    if (region) setTimeout(follow, PAUSE, region);
}
