// The list of a directory: selection, keys, menu, renaming in place, moving by dragging, filter, details.
// Everything here is also done by links and forms.
(() => {
	"use strict";
	const { one, all, on, rows: model } = window.havre;
	const doc = document;
	doc.documentElement.classList.add("scripted");
	const list = () => one("#list");
	const rows = model.shown, chosen = model.chosen, tick = model.tick;
	const linkOf = (r) => one("a", model.element(r));
	let anchor, current;

	// The focus moves over the rows; one of them is in the order of Tab.
	const focusRow = (r) => {
		if (!r) return;
		current?.el?.removeAttribute("tabindex");
		current = r;
		const el = model.element(r), to = el.matches(".ft") ? linkOf(r) : el;
		to.tabIndex = 0;
		to.focus({ preventScroll: true });
		to.scrollIntoView({ block: "nearest" });
	};
	const prepare = () => {
		const was = current?.name;
		model.read();
		current = was === undefined ? undefined : model.named(was);
		anchor = anchor && model.named(anchor.name);
		const first = one("#list .fr");
		if (first && !one("#list .fr[tabindex]")) first.tabIndex = 0;
		count();
	};

	// Selection.
	const count = () => {
		const n = chosen().length, b = one("#list [data-count]"), every = one("#list [data-all]");
		if (b) b.textContent = (n === 1 ? b.dataset.single : b.dataset.many.replace("99", window.havre.number(n)));
		one("#f-form")?.classList.toggle("has-ticked", n > 0);
		if (every) { const of = rows().length; every.checked = n > 0 && n === of; every.indeterminate = n > 0 && n < of; }
	};
	const range = (to) => {
		const l = rows(), a = l.indexOf(anchor ?? to), b = l.indexOf(to);
		l.slice(Math.min(a, b), Math.max(a, b) + 1).forEach((r) => tick(r, true));
	};
	const clear = () => { chosen().forEach((r) => tick(r, false)); count(); };
	on("click", '#list input[name="item"]', (e, t) => {
		const r = model.of(t);
		r.ticked = t.checked;
		if (e.shiftKey && anchor && t.checked) range(r);
		anchor = r;
		count();
	});
	on("change", "#list [data-all]", (e, t) => { rows().forEach((r) => tick(r, t.checked)); count(); });
	on("click", "#list [data-clear]", (e) => { e.preventDefault(); clear(); });
	on("click", "#list .fr", (e, t) => {
		if (e.target.closest("a, input, button")) return;
		const r = model.of(t);
		if (e.shiftKey) range(r);
		else { tick(r, !r.ticked); anchor = r; }
		focusRow(r);
		count();
	});
	on("dblclick", "#list .fr", (e, t) => { if (!e.target.closest("a, input, button")) linkOf(model.of(t)).click(); });
	// A long press ticks on a phone.
	let press;
	on("touchstart", "#list .fr, #list .ft", (e, t) => { press = setTimeout(() => { const r = model.of(t); tick(r, !r.ticked); anchor = r; count(); press = "done"; navigator.vibrate?.(10); }, 500); });
	["touchmove", "touchcancel"].forEach((n) => on(n, "#list", () => clearTimeout(press)));
	on("touchend", "#list", (e) => { if (press === "done") e.preventDefault(); clearTimeout(press); press = undefined; });

	// What is done: the chosen rows, or the one that is meant.
	const act = (what, which) => {
		const form = one("#f-form");
		if (!form || !which.length) return;
		const f = new URLSearchParams();
		f.set("do", what);
		f.set("base", form.elements.base.value);
		which.forEach((r) => f.append("item", r.name));
		if (what === "download") { const q = new URLSearchParams(); which.forEach((r) => q.append("item", r.name)); location.href = list().dataset.address + "?download&" + q; return; }
		send(f);
	};
	// send posts a form; the answer is a question, a new page, or a failure.
	const send = (fields) => {
		const values = {};
		for (const k of new Set(fields.keys())) { const v = fields.getAll(k); values[k] = v.length > 1 ? v : v[0]; }
		window.htmx.ajax("POST", list().dataset.address, { values, target: "#f-dialog", swap: "innerHTML", source: "#f-dialog" });
	};
	on("click", "#f-form button[name=do]", (e, b) => {
		e.preventDefault();
		if (one("#list[data-upload-to]") || b.value === "download") act(b.value, chosen());
	});
	// A failure behind an open dialog is shown in it.
	doc.addEventListener("htmx:afterSwap", (e) => {
		const d = one("dialog:modal");
		if (e.detail.target?.id !== "failure" || !d) return;
		let place = one(".dialog-failure", d);
		if (!place) { place = doc.createElement("div"); place.className = "dialog-failure dialog-body"; one(".dialog-head", d).after(place); }
		place.replaceChildren(...one("#failure").childNodes);
	});

	// The menu of a row.
	let menuRow;
	const openMenu = (r, x, y) => {
		const m = one("#f-menu");
		if (!m) return;
		menuRow = r;
		const a = linkOf(r).getAttribute("href");
		one('[data-do="open"]', m).href = a;
		one('[data-do="details"]', m).href = list().dataset.address + "?details=" + encodeURIComponent(r.name);
		one('[data-do="download"]', m).href = a + "?download";
		const access = one('[data-do="access"]', m);
		if (access) access.href = "/access" + a.slice(2);
		focusRow(r);
		window.havre.openMenu(m, x, y);
	};
	on("click", "#list .fm", (e, t) => { e.preventDefault(); const b = t.getBoundingClientRect(); openMenu(model.of(t), b.left, b.bottom + 4); });
	on("contextmenu", "#list .fr, #list .ft", (e, t) => {
		if (e.shiftKey || press) return;
		e.preventDefault();
		const b = t.getBoundingClientRect();
		openMenu(model.of(t), e.clientX || b.left + 60, e.clientY || b.bottom);
	});
	on("click", "#f-menu [data-do]", (e, t) => {
		const what = t.dataset.do, r = menuRow;
		if (what === "details") { e.preventDefault(); details(r); return; }
		if (what === "open" || what === "download" || what === "access") return;
		e.preventDefault();
		if (what === "rename") setTimeout(() => rename(r), 20);
		else act(what, r.ticked ? chosen() : [r]);
	});
	doc.addEventListener("toggle", (e) => { if (e.target.id === "f-menu" && e.newState === "closed" && menuRow && (doc.activeElement === doc.body || e.target.contains(doc.activeElement))) focusRow(menuRow); }, true);

	// Another name, in its place.
	const rename = (r) => {
		if (!r || !one("#list[data-upload-to]") || one(".f-rename")) return;
		const el = model.element(r), cell = el.matches(".fr") ? one(".fn", el) : el, a = one("a", cell), old = r.name;
		const f = doc.createElement("span"), i = doc.createElement("input");
		f.className = "f-rename";
		i.value = old;
		i.maxLength = 255;
		i.setAttribute("aria-label", one("#f-menu [data-do=rename]").textContent.trim());
		f.append(i);
		a.hidden = true;
		a.after(f);
		i.focus();
		const dot = old.lastIndexOf(".");
		i.setSelectionRange(0, dot > 0 && !cell.classList.contains("k-dir") ? dot : old.length);
		let over = false;
		const end = (save) => {
			if (over) return;
			over = true;
			f.remove();
			a.hidden = false;
			focusRow(r);
			const name = i.value.trim();
			if (save && name && name !== old) send(new URLSearchParams({ do: "rename", item: old, name, base: one("#f-form").elements.base.value }));
		};
		i.addEventListener("keydown", (e) => {
			e.stopPropagation();
			if (e.key === "Enter") { e.preventDefault(); end(true); }
			if (e.key === "Escape") { e.preventDefault(); end(false); }
		});
		i.addEventListener("blur", () => end(true));
	};

	// Details beside the list, following the arrows.
	let asked = 0;
	const pane = () => one("#f-pane");
	const details = async (r) => {
		const my = ++asked, address = list().dataset.address + "?part=pane&details=" + encodeURIComponent(r.name);
		const answer = await fetch(address);
		if (!answer.ok || my !== asked) return;
		const html = await answer.text(), t = doc.createElement("template");
		t.innerHTML = html;
		const p = t.content.querySelector("#f-pane");
		if (!p) return;
		if (pane()) pane().replaceWith(p);
		else { p.classList.add("is-floating"); one("#main").append(p); }
		window.htmx.process(p);
	};
	const closePane = () => { if (pane()) { asked++; pane().remove(); return true; } return false; };
	on("click", "#f-pane [data-pane-close]", (e) => { if (one("#f-pane.is-floating")) { e.preventDefault(); closePane(); if (current) focusRow(current); } });

	// Keys, while the focus is in the list.
	let typed = "", typedAt = 0;
	const plain = (s) => s.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
	doc.addEventListener("keydown", (e) => {
		const el = e.target instanceof Element && e.target.closest("#list .fr, #list .ft"), at = el?.row;
		if (!at || e.defaultPrevented || e.target.matches("input:not([type=checkbox])") || e.altKey) return;
		const l = rows(), i = l.indexOf(at), ctrl = e.ctrlKey || e.metaKey;
		const columns = el.matches(".ft") ? Math.max(1, l.filter((r) => r.group === at.group && r.el.offsetTop === el.offsetTop).length) : 1;
		const move = (n) => {
			const to = l[Math.min(Math.max(n, 0), l.length - 1)];
			if (e.shiftKey) { anchor ??= at; l.forEach((r) => tick(r, false)); range(to); count(); } else anchor = to;
			focusRow(to);
			if (pane()) details(to);
		};
		const page = Math.max(1, Math.floor(innerHeight / 60));
		const keys = {
			ArrowDown: () => move(i + columns), ArrowUp: () => move(i - columns), Home: () => move(0), End: () => move(l.length - 1),
			PageDown: () => move(i + page), PageUp: () => move(i - page),
			Enter: () => { if (e.target.closest("a")) return false; linkOf(at).click(); },
			" ": () => { if (e.target.matches("input")) return false; pane()?.dataset.item === at.name ? closePane() : details(at); },
			F2: () => rename(at),
			Delete: () => act("delete", chosen().length ? chosen() : [at]),
			Backspace: () => { const up = all(".crumbs a").at(-1); if (up) up.click(); },
			Escape: () => { if (closePane()) return; if (chosen().length) clear(); else return false; },
			ContextMenu: () => { const b = el.getBoundingClientRect(); openMenu(at, b.left + 60, b.bottom); },
		};
		if (columns > 1) { keys.ArrowRight = () => move(i + 1); keys.ArrowLeft = () => move(i - 1); }
		let act_ = keys[e.key];
		if (ctrl) act_ = e.key.toLowerCase() === "a" ? () => { l.forEach((r) => tick(r, true)); count(); } : undefined;
		else if (!act_ && e.key.length === 1) {
			const late = Date.now() - typedAt > 900;
			if (e.key.toLowerCase() === "x" && late) act_ = () => { tick(at, !at.ticked); anchor = at; count(); };
			else act_ = () => {
				typed = late ? e.key : typed + e.key;
				typedAt = Date.now();
				const want = plain(typed), from = typed.length > 1 ? i : i + 1;
				const hit = [...l.slice(from), ...l.slice(0, from)].find((r) => (r.plain ??= plain(r.name)).startsWith(want));
				if (hit) focusRow(hit);
			};
		}
		if (act_ && act_() !== false) e.preventDefault();
	});
	doc.addEventListener("keydown", (e) => { if (e.key === "Escape" && !e.defaultPrevented && !one("dialog:modal, :popover-open") && e.target.closest?.("#f-pane")) closePane(); });

	// The filter hides rows as one types; the form asks the server for the same.
	let filterTimer;
	const filter = () => {
		const i = one("[data-f-filter] input[name=q]");
		if (!i || !list()) return;
		const words = plain(i.value).split(/\s+/).filter(Boolean);
		const n = model.hide((r) => !words.length || words.every((w) => (r.plain ??= plain(r.name)).includes(w)));
		const nothing = one("#list .f-nothing");
		if (nothing) { nothing.hidden = n > 0; const b = one("[data-text]", nothing); b.textContent = b.dataset.text.replace("{q}", i.value); }
	};
	on("input", "[data-f-filter] input", () => { clearTimeout(filterTimer); filterTimer = setTimeout(filter, 60); });

	// Rows are dragged onto a directory, or onto the way up.
	let dragged;
	on("pointerdown", "#list[data-upload-to] .fr", (e, r) => { if (e.pointerType === "mouse") r.draggable = !e.target.closest("input"); });
	on("dragstart", "#list .fr, #list .ft", (e, t) => {
		if (!one("#list[data-upload-to]")) return;
		const r = model.of(t);
		dragged = r.ticked ? chosen() : [r];
		e.dataTransfer.effectAllowed = "move";
		e.dataTransfer.setData("application/x-havre", dragged.map((d) => d.name).join("/"));
		dragged.forEach((d) => d.el?.classList.add("is-dragged"));
	});
	const target = (e) => {
		const r = e.target instanceof Element && e.target.closest("#list .fr, #list .ft, .crumbs a");
		if (!r) return null;
		if (r.matches(".crumbs a")) return r.getAttribute("href").startsWith("/f/") ? r : null;
		return one(".k-dir", r) && !dragged?.includes(r.row) ? r : null;
	};
	doc.addEventListener("dragover", (e) => {
		if (!dragged) return;
		all(".is-target").forEach((t) => t.classList.remove("is-target"));
		const t = target(e);
		if (t) { e.preventDefault(); e.dataTransfer.dropEffect = "move"; t.classList.add("is-target"); }
	});
	doc.addEventListener("drop", (e) => {
		if (!dragged) return;
		const t = target(e), which = dragged;
		endDrag();
		if (!t) return;
		e.preventDefault();
		const address = t.matches("a") ? t.getAttribute("href") : one("a", t).getAttribute("href");
		const to = address.split("/").slice(3).map(decodeURIComponent).join("/");
		const f = new URLSearchParams({ do: "move", to, base: one("#f-form").elements.base.value });
		which.forEach((r) => f.append("item", r.name));
		send(f);
	});
	const endDrag = () => { all(".is-target, .is-dragged").forEach((t) => t.classList.remove("is-target", "is-dragged")); dragged = undefined; };
	doc.addEventListener("dragend", endDrag);

	// Names are warned about before they are sent.
	on("input", "[data-name]", (e, t) => {
		const bad = t.value.match(/[<>:"|?*\\/]/);
		t.setCustomValidity(bad ? t.dataset.name.replace("%", bad[0]).replace("#", [...t.value.slice(0, bad.index)].length + 1) : "");
	});

	// The whole name is in a tooltip where it does not fit.
	on("pointerover", "#list .fn .name:not([title])", (e, t) => { const s = one(".stem", t) ?? t; if (s.scrollWidth > s.clientWidth) t.title = model.of(t).name; });

	// The exact moment of a change is in a tooltip.
	on("pointerover", "#list time:not([title])", (e, t) => { t.title = new Date(t.dateTime).toLocaleString(doc.documentElement.lang, { dateStyle: "full", timeStyle: "medium" }); });

	// What others change is merged into the list: ticks stay, and a name that is being typed is left alone.
	let focused;
	doc.addEventListener("htmx:beforeSwap", (e) => {
		if (e.detail.target?.id !== "list") return;
		if (one(".f-rename")) { e.detail.shouldSwap = false; return; }
		focused = list()?.contains(doc.activeElement) && doc.activeElement.matches(".fr") ? current?.name : undefined;
	});
	doc.addEventListener("htmx:afterSettle", (e) => {
		if (!list() || !(e.detail.target?.id === "list" || e.detail.target?.contains(list()))) return;
		prepare();
		filter();
		if (focused !== undefined && !list().contains(doc.activeElement)) focusRow(model.named(focused));
		focused = undefined;
	});
	doc.addEventListener("DOMContentLoaded", prepare);
	if (doc.readyState !== "loading") prepare();
})();
