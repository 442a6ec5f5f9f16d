// For who hears a page what the theme and Django leave out: its main part, names of look-ups, dates and hints, also of
// what comes later. And an icon is a picture, not the English word by which its font draws it.
window.addEventListener("load", () => {
    const labelOf = (id) => document.querySelector(`label[for="${id}"]`);
    const wordsOf = (label) => label?.textContent.replace("*", "").trim();
    const each = (what, todo) => document.querySelectorAll(what).forEach(todo);
    const named = { "#searchbar-submit": "Buscar", 'a[x-on\\:click*="showActions"]': "Mais ações" };
    const nameAll = () => {
        document.querySelector("#content")?.setAttribute("role", "main");
        each(".material-symbols-outlined", (icon) => icon.setAttribute("aria-hidden", "true"));
        for (const [what, name] of Object.entries(named)) each(what, (element) => element.setAttribute("aria-label", name));
        // A look-up is heard with its label and what is chosen; when it opens, so are its search and its list.
        each("select.select2-hidden-accessible[id] + .select2-container", (lookUp) => {
            const label = labelOf(lookUp.previousElementSibling.id);
            const shown = lookUp.querySelector(".select2-selection__rendered[id]");
            if (!label || !shown) return;
            label.id ||= `label-of-${label.htmlFor}`;
            shown.setAttribute("aria-labelledby", label.id);
            const field = shown.closest("[role=combobox]");
            field?.setAttribute("aria-labelledby", `${label.id} ${shown.id}`);
            field?.setAttribute("aria-controls", shown.id.replace(/container$/, "results"));
            if (!lookUp.matches(".select2-container--open")) return;
            each(".select2-dropdown :is(.select2-search__field, .select2-results__options)", (part) => {
                part.setAttribute("aria-label", wordsOf(label));
            });
        });
        each(".vDateField:not([aria-label]), .vTimeField:not([aria-label])", (field) => {
            const row = field.closest(".form-row")?.querySelector("label, legend");
            const name = field.title || field.placeholder;
            if (name && !field.labels.length) field.setAttribute("aria-label", `${wordsOf(row) ?? ""} ${name}`.trim());
        });
        each("#result_list td", (cell) => cell.classList.toggle("flowlog-blank", cell.textContent.trim() === "-"));
        each("span.help-tooltip[aria-label]", (hint) => hint.setAttribute("role", "img"));
    };
    nameAll();
    new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
});
