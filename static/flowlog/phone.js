// Connecting a phone: asks for the next step until it is connected, so that a code that WhatsApp renews is renewed here.
// And how a WhatsApp stands, on its page, without loading it again.
"use strict";
{
    const PAUSE = 2500, STATE_PAUSE = 5000, PATIENCE = 10 * 60 * 1000;

    const connect = (page) => {
        const part = (name) => page.querySelector(`[data-${name}]`);
        const began = Date.now();
        let number = "", anew = "", shown = "", drawn = "", asking = false;

        const say = (words) => {
            if (part("words").textContent !== words) part("words").textContent = words;
        };
        const show = (answer) => {
            if (answer.status === "number") {
                part("wrong").textContent = answer.words;
                number = "";
                return;
            }
            say(answer.words);
            if (drawn !== (answer.qr ?? "")) {
                drawn = answer.qr ?? "";
                // Drawn by our own server.
                part("qr").innerHTML = drawn;
            }
            part("qr").hidden = !drawn;
            part("typed").textContent = answer.typed ?? "";
            part("typed").hidden = !answer.typed;
            if (answer.status === "code") shown = "1";
            if (answer.status === "connected") {
                page.querySelectorAll("[data-while-open]").forEach((each) => (each.hidden = true));
                // What this page was loaded with says that it is not.
                document.querySelector(`.flowlog-banner:has(a[href="${page.dataset.page}"])`)?.remove();
            }
        };
        const stop = () => {
            show({ words: part("too-long").textContent });
            part("again").hidden = false;
        };
        const step = async () => {
            if (asking) return;
            asking = true;
            let ended = false;
            try {
                const csrfmiddlewaretoken = page.querySelector("[name=csrfmiddlewaretoken]").value;
                const body = new URLSearchParams({ csrfmiddlewaretoken, number, anew, shown });
                anew = "";
                const response = await fetch(page.dataset.step, { method: "POST", body, redirect: "error", cache: "no-store" });
                if (!response.ok) throw new Error(response.statusText);
                const answer = await response.json();
                show(answer);
                ended = answer.status === "connected";
            } catch {
                say(part("offline").textContent);
            }
            asking = false;
            if (ended) return;
            if (Date.now() - began > PATIENCE) stop();
            else setTimeout(step, PAUSE);
        };
        part("number").addEventListener("submit", (event) => {
            event.preventDefault();
            number = page.querySelector("#number").value;
            part("wrong").textContent = "";
            anew = "1";
        });
        step();
    };

    const follow = (region) => {
        setInterval(async () => {
            if (document.hidden) return;
            try {
                const response = await fetch(region.dataset.state, { redirect: "error", cache: "no-store" });
                const { html } = await response.json();
                const now = document.createElement("template");
                now.innerHTML = html;
                // Only what has changed is read aloud.
                if (now.content.textContent !== region.textContent) region.replaceChildren(now.content);
            } catch {
                // The next time.
            }
        }, STATE_PAUSE);
    };

    document.querySelectorAll("[data-step]").forEach(connect);
    document.querySelectorAll("[data-state]").forEach(follow);
}
