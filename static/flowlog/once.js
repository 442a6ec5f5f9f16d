// A form that is on its way is not sent a second time by an impatient press. The server takes each form once anyway; this
// spares the second request, and shows that the first press was noticed.
"use strict";
{
    // A page may stay after all: the person stopped the loading, or the answer is a file.
    const PATIENCE = 15000;

    const buttons = (form) => [...form.elements].filter((element) => element.type === "submit");
    const hold = (form) => {
        for (const button of buttons(form).filter((each) => !each.disabled)) {
            button.dataset.sent = "";
            button.disabled = true;
        }
    };
    const release = (form) => {
        delete form.dataset.sent;
        for (const button of buttons(form).filter((each) => "sent" in each.dataset)) {
            delete button.dataset.sent;
            button.disabled = false;
        }
    };

    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (event.defaultPrevented || form.getAttribute("method")?.toLowerCase() !== "post") return;
        if ("sent" in form.dataset) {
            event.preventDefault();
            return;
        }
        form.dataset.sent = "";
        // Not before the browser has noted which button it was.
        setTimeout(() => hold(form));
        setTimeout(() => release(form), PATIENCE);
    });
    // The browser's back button shows the page as it was left.
    addEventListener("pageshow", () => [...document.forms].forEach(release));
}
