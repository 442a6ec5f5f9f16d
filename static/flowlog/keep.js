// What was typed is not lost when the session ended meanwhile: it is filled in again after the log-in, or after the page
// was loaded anew. Only in this tab, and only until the next page.
(() => {
    const KEY = "flowlog-typed";
    const LOGIN = "/admin/login/";
    const fields = (form) => [...form.elements].filter((field) =>
        field.name && field.matches("textarea, select, input:not([type=hidden]):not([type=password]):not([type=file])"));
    const here = () => location.pathname + location.search;
    const isLogin = () => location.pathname.startsWith(LOGIN);

    document.addEventListener("submit", ({ target }) => {
        if (target.getAttribute("method")?.toLowerCase() !== "post" || isLogin() || target.id === "changelist-form") return;
        const typed = fields(target).map((field) =>
            [field.name, /checkbox|radio/.test(field.type) ? field.checked : field.value]);
        sessionStorage.setItem(KEY, JSON.stringify({ page: here(), which: [...document.forms].indexOf(target), typed }));
    });

    document.addEventListener("DOMContentLoaded", () => {
        const kept = sessionStorage.getItem(KEY);
        if (!kept || isLogin()) return;
        sessionStorage.removeItem(KEY);
        const { page, which, typed } = JSON.parse(kept);
        const cameBack = performance.getEntriesByType("navigation")[0]?.type !== "navigate"
            || document.referrer.startsWith(location.origin + LOGIN);
        const form = document.forms[which];
        if (page !== here() || !cameBack || !form) return;
        const shown = fields(form);
        typed.forEach(([name, value], at) => {
            const field = shown[at];
            if (!field || field.name !== name) return;
            if (typeof value === "boolean") field.checked = value;
            else if (field.value !== value) field.value = value;
            field.dispatchEvent(new Event("change", { bubbles: true }));
        });
    });
})();
