// "Add another customer" on an order's form opens with the store that was chosen there, and is a button beside the field:
// in the theme's menu of three dots nobody finds it, and no keyboard reaches it.
document.addEventListener("DOMContentLoaded", () => {
    const store = document.querySelector("select#id_store");
    const add = document.querySelector("a#add_id_customer");
    if (!store || !add) return;
    const follow = () => {
        const address = new URL(add.href);
        address.searchParams.set("store", store.value);
        add.href = address.href;
    };
    follow();
    // The theme's select tells of itself by jQuery.
    store.addEventListener("change", follow);
    if (window.django?.jQuery) window.django.jQuery(store).on("change", follow);
    add.addEventListener("mousedown", follow);
    add.addEventListener("focus", follow);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "text-link flowlog-another";
    button.textContent = add.title;
    button.addEventListener("click", () => {
        follow();
        add.click();
    });
    document.querySelector('[data-id="related-widget-wrapper-customer"]').after(button);
});
