// The palette: Ctrl K or / anywhere. It looks in the folder on screen until Tab widens it.
(() => {
	"use strict";
	const { one, all, on } = window.havre;
	let palette, input, list, folder = "", timer, asked = 0, at = -1, loading;

	const onScreen = () => (location.pathname.startsWith("/f/") ? decodeURIComponent(location.pathname.split("/")[2]) : "");
	const options = () => all(".found", list);
	const mark = (i, scroll = true) => {
		const o = options();
		o.forEach((f, k) => { f.classList.toggle("is-at", k === i); if (k === i && scroll) f.scrollIntoView({ block: "nearest" }); });
		at = i;
		if (o[i]) input.setAttribute("aria-activedescendant", o[i].id); else input.removeAttribute("aria-activedescendant");
	};
	const address = (frame) => "/search/palette?" + new URLSearchParams({ q: input?.value || "", ...(folder ? { folder } : {}), ...(frame ? { frame: "1" } : {}) });
	const said = () => {
		const c = one("[data-count]", palette), n = options().length;
		c.textContent = (n === 1 ? c.dataset.single : c.dataset.many.replace("2", n));
	};
	const look = async () => {
		const mine = ++asked;
		const r = await fetch(address(false), { headers: { "Hx-Request": "true" } }).catch(() => null);
		if (!r?.ok || mine !== asked) return; // a later one is on its way
		list.innerHTML = await r.text();
		htmx.process(list);
		mark(input.value.trim() && options().length ? 0 : -1, false);
		list.scrollTop = 0;
		said();
	};
	const scope = () => {
		const b = one("[data-wider]", palette);
		b.hidden = !folder;
		one("[data-in]", b).textContent = one("[data-in]", b).dataset.in.replace("{folder}", folder);
		one("[data-wider-key]", palette).hidden = !folder;
	};
	const widen = () => { folder = ""; scope(); input.focus(); look(); };
	const show = async (text = "") => {
		if (palette?.open || loading) return;
		folder = onScreen();
		loading = true;
		try {
			if (!palette?.isConnected) {
				input = null;
				const r = await fetch(address(true), { headers: { "Hx-Request": "true" } });
				if (!r.ok) return;
				const box = document.createElement("div");
				box.innerHTML = await r.text();
				palette = box.firstElementChild;
				document.body.append(palette);
				htmx.process(palette);
				input = one("input[name=q]", palette);
				list = one("#palette-list", palette);
			} else look();
		} catch { return; } finally { loading = false; }
		palette.showModal();
		scope();
		input.value = text;
		input.focus();
		mark(-1);
		if (text) look();
	};
	const hide = () => palette?.open && palette.close();

	havre.key("Ctrl k", () => { show(); });
	havre.key("/", () => { show(); });
	on("focusin", "input[data-palette]", (e, t) => { if (!palette?.open && !e.relatedTarget?.closest?.("#palette")) t.dataset.ready = "1"; });
	on("click", "[data-palette]", (e, t) => { e.preventDefault(); t.blur(); show(); });
	on("input", "input[data-palette]", (e, t) => { const text = t.value; t.value = ""; t.blur(); show(text); });
	on("click", "[data-palette-close]", hide);
	on("click", "#palette [data-wider]", (e) => { e.preventDefault(); widen(); });
	on("input", "#palette input[name=q]", () => { clearTimeout(timer); timer = setTimeout(look, 120); });
	on("mousedown", "dialog#palette", (e, t) => {
		if (e.target !== t) return;
		const r = t.getBoundingClientRect();
		if (e.clientX < r.left || e.clientX > r.right || e.clientY < r.top || e.clientY > r.bottom) hide();
	});
	on("keydown", "#palette", (e) => {
		const n = options().length;
		if (e.key === "ArrowDown" || e.key === "ArrowUp") {
			e.preventDefault();
			if (n) mark((at + (e.key === "ArrowDown" ? 1 : at < 0 ? 0 : n - 1) + n) % n);
			input.focus();
		} else if (e.key === "Tab" && !e.shiftKey && folder && e.target === input) {
			e.preventDefault();
			widen();
		} else if (e.key === "Enter" && e.target === input) {
			const f = options()[at];
			if (!f) return; // the form leads to the page of all results
			e.preventDefault();
			hide();
			const to = (e.ctrlKey || e.metaKey) && f.dataset.shown;
			if (to) location.href = to;
			else f.click();
		} else if (e.key === "Escape") { e.preventDefault(); hide(); }
	});
	on("click", "#palette .found", hide);
})();
