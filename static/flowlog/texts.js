// The editor of a message's text: inserts variables and marks where the cursor is, and shows how the text will read.
"use strict";
{
    const PAUSE = 350;

    const editor = document.querySelector("[data-editor]");
    const field = editor.querySelector("[data-text]");
    const form = field.form;
    const mistakes = editor.querySelector("[data-mistakes]");
    let timer;
    let running;

    // As if it had been typed, so that the browser can undo it.
    const type = (text) => {
        field.focus();
        if (!document.execCommand("insertText", false, text)) {
            field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }
    };
    const around = (before, after) => {
        const start = field.selectionStart;
        const chosen = field.value.slice(start, field.selectionEnd);
        type(before + chosen + after);
        field.setSelectionRange(start + before.length, start + before.length + chosen.length);
    };
    const point = (start, end) => {
        field.focus();
        // The browser scrolls to where the cursor is set, but not to a selection.
        field.setSelectionRange(start, start);
        field.blur();
        field.focus();
        field.setSelectionRange(start, end);
    };
    const element = (name, text, attributes = {}) => {
        const made = document.createElement(name);
        made.textContent = text;
        for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
        return made;
    };
    const show = (answer) => {
        const lines = answer.mistakes.map(({ words, start, end }) => {
            const line = element("li", `${words} `);
            if (end) {
                const places = { type: "button", class: "flowlog-plain-button", "data-start": start, "data-end": end };
                line.append(element("button", editor.dataset.show, places));
            }
            return line;
        });
        const list = element("ul", "", { class: "flowlog-refusals" });
        list.append(...lines);
        mistakes.replaceChildren(...(lines.length ? [list] : []));
        field.toggleAttribute("aria-invalid", lines.length > 0);
        for (const sample of editor.querySelectorAll("[data-sample]")) {
            const read = answer.samples?.find(({ name }) => name === sample.dataset.sample);
            sample.classList.toggle("flowlog-stale", !read);
            if (!read) continue;
            sample.querySelector("h2").textContent = read.title;
            // The server has escaped whatever anybody typed.
            sample.querySelector(".flowlog-bubble").innerHTML = read.html;
            sample.querySelector("p").textContent = read.counted;
        }
    };
    const refresh = async () => {
        running?.abort();
        running = new AbortController();
        try {
            const request = { method: "POST", body: new FormData(form), signal: running.signal };
            const answer = await fetch(editor.dataset.previewAddress, request);
            if (answer.ok && !answer.redirected) show(await answer.json());
        } catch (error) {
            if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
        }
    };

    const soon = () => {
        clearTimeout(timer);
        timer = setTimeout(refresh, PAUSE);
    };
    field.addEventListener("input", soon);
    // What was typed before this script had come, or given back by the browser.
    if (field.value !== field.defaultValue) soon();
    // What was typed is not lost by a press on another link.
    let leaving = false;
    editor.addEventListener("submit", () => { leaving = true; });
    addEventListener("beforeunload", (event) => {
        if (!leaving && ("unsaved" in editor.dataset || field.value !== field.defaultValue)) event.preventDefault();
    });
    form.querySelector("[name=preview_order]")?.addEventListener("change", refresh);
    editor.addEventListener("click", ({ target }) => {
        const button = target.closest("button[type=button]");
        if (!button) return;
        const { insert, condition, mark, start, end } = button.dataset;
        if (insert) type(insert);
        else if (condition) around(`{se ${condition}}`, "{fim}");
        else if (mark) around(mark, mark);
        else if (end) point(Number(start), Number(end));
    });
}
