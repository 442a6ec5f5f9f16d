// Asks the server again for what stands beside a form, whenever the form has changed: see orders/admin/previews.py.
"use strict";
{
    const PAUSE = 300;

    for (const place of document.querySelectorAll("[data-preview]")) {
        const form = place.closest("form");
        let timer;
        let running;
        const refresh = async () => {
            running?.abort();
            running = new AbortController();
            try {
                const request = { method: "POST", body: new FormData(form), signal: running.signal };
                const answer = await fetch(place.dataset.preview, request);
                // Else what stands there stays: the form itself says what is wrong when it is sent.
                if (answer.ok && !answer.redirected) place.innerHTML = await answer.text();
            } catch (error) {
                if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
            }
        };
        const soon = () => {
            clearTimeout(timer);
            timer = setTimeout(refresh, PAUSE);
        };
        form.addEventListener("input", soon);
        form.addEventListener("change", soon);
        // The theme's selects tell of themselves by jQuery; a row that is taken out, at the document.
        if (window.django?.jQuery) window.django.jQuery(form).on("change", soon);
        document.addEventListener("formset:removed", soon);
        // Also what was filled in before this script had come, or given back by the browser.
        const filledIn = ({ value, defaultValue, checked, defaultChecked }) =>
            (defaultValue !== undefined && value !== defaultValue) || checked !== defaultChecked;
        if (!place.children.length || [...form.elements].some(filledIn)) refresh();
    }
}
