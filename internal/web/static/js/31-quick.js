// Two actions for the row under the pointer. They are one element that moves, so that a row of 10,000 costs nothing
// more; by keyboard and for readers the same is in the row's menu.
(() => {
	const doc = document;
	let quick;
	const make = () => {
		const template = doc.getElementById("f-quick");
		if (!template) return undefined;
		const e = doc.createElement("span");
		e.className = "f-quick";
		e.append(template.content.cloneNode(true));
		return e;
	};
	doc.addEventListener("pointerover", (e) => {
		const row = e.pointerType !== "touch" && e.target instanceof Element && e.target.closest("#list .fr");
		const menu = row && row.querySelector(".fm"), link = row && row.querySelector(".fn a[href]");
		if (!menu || !link) return;
		if (quick?.nextSibling === menu) return;
		quick = quick || make();
		if (!quick) return;
		const a = link.getAttribute("href");
		for (const l of quick.querySelectorAll("a")) {
			l.href = l.dataset.quick === "access" ? "/access" + a.slice(2) : a + "?download";
			l.toggleAttribute("download", l.dataset.quick === "download");
		}
		menu.before(quick);
	});
	doc.addEventListener("htmx:load", () => { if (!doc.getElementById("f-quick")) quick = undefined; });
})();
