// The frame of all pages: forms, menus, dialogs, toasts, keys and the stream of events. Everything works
// without it; it hears events on the document, so that parts of a page can be exchanged at any time.
(() => {
	"use strict";
	const doc = document, root = doc.documentElement;
	const one = (s, from = doc) => from.querySelector(s);
	const all = (s, from = doc) => [...from.querySelectorAll(s)];
	const token = () => one('meta[name="csrf"]').content;
	const on = (event, selector, act) => doc.addEventListener(event, (e) => {
		const t = e.target instanceof Element && e.target.closest(selector);
		if (t) act(e, t);
	});

	// What the scripts of the slices may use.
	const havre = (window.havre = { one, all, on, token });

	// number writes a number in the page's language. The font has no narrow no-break space.
	havre.number = (n, options) => new Intl.NumberFormat(root.lang, options).format(n).replaceAll("\u202f", "\u00a0");

	// post sends a form's fields to an address of this server.
	havre.post = (address, fields, quiet) => fetch(address, {
		method: "POST",
		body: new URLSearchParams({ ...fields }),
		headers: { "X-Csrf": token(), ...(quiet ? { "X-Quiet": "1" } : {}) },
		redirect: "manual",
	});

	doc.addEventListener("htmx:configRequest", (e) => { e.detail.headers["X-Csrf"] = token(); });

	// The server writes times in the zone of this browser.
	const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
	if (zone && zone !== root.dataset.zone && one("meta[name=csrf]")) havre.post("/appearance", { zone }, true).catch(() => {});

	// A thin bar after 400 ms of waiting.
	let pending = 0, busyTimer;
	const busy = () => {
		let b = one("#busy");
		if (!b) { b = doc.createElement("div"); b.id = "busy"; doc.body.append(b); }
		return b;
	};
	doc.addEventListener("htmx:beforeRequest", () => {
		if (pending++ === 0) busyTimer = setTimeout(() => busy().classList.add("on"), 400);
	});
	doc.addEventListener("htmx:afterRequest", () => {
		pending = Math.max(0, pending - 1);
		if (pending === 0) { clearTimeout(busyTimer); busy().classList.remove("on"); }
	});

	// Forms that are sent as soon as something is chosen, and buttons that copy.
	on("change", "[data-submit]", (e, t) => t.form.requestSubmit());
	on("click", "[data-copy]", async (e, t) => {
		await navigator.clipboard.writeText(t.dataset.copy);
		if (t.dataset.copied) havre.toast(t.dataset.copied);
	});

	// Fields that hide the items of a list whose text does not contain theirs.
	const plain = (s) => s.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
	on("input", "[data-filter]", (e, t) => {
		const wanted = plain(t.value.trim());
		all(":scope > *", one(t.dataset.filter)).forEach((i) => { i.hidden = !plain(i.textContent).includes(wanted); });
	});

	// Toasts: ten seconds, longer under the pointer or the focus; Ctrl Z is Undo.
	let toastTimer;
	const closeToast = () => { const t = one("#toast"); if (t) t.replaceChildren(); };
	const watchToast = () => {
		clearTimeout(toastTimer);
		if (one("#toast .toast")) toastTimer = setTimeout(() => (one("#toast:hover, #toast:focus-within") ? watchToast() : closeToast()), 10000);
	};
	havre.toast = (text) => {
		const t = doc.createElement("div");
		t.className = "toast";
		t.textContent = text;
		one("#toast").replaceChildren(t);
		watchToast();
	};
	on("click", "#toast [data-close]", closeToast);
	doc.addEventListener("htmx:oobAfterSwap", watchToast);
	watchToast();

	// Menus: popovers beside their button, or at the pointer.
	let opener;
	const place = (menu, x, y, alignEnd) => {
		const r = menu.getBoundingClientRect();
		let left = alignEnd ? x - r.width : x, top = y;
		left = Math.min(Math.max(8, left), innerWidth - r.width - 8);
		if (top + r.height > innerHeight - 8) top = Math.max(8, innerHeight - r.height - 8);
		menu.style.left = left + "px";
		menu.style.top = top + "px";
	};
	const items = (menu) => all('[role^="menuitem"]:not([disabled])', menu).filter((i) => i.offsetParent !== null || i.getClientRects().length);
	havre.openMenu = (menu, x, y) => {
		opener = doc.activeElement;
		menu.showPopover();
		place(menu, x, y, false);
		items(menu)[0]?.focus({ preventScroll: true });
	};
	doc.addEventListener("click", (e) => { const b = e.target instanceof Element && e.target.closest("[popovertarget]"); if (b) opener = b; }, true);
	doc.addEventListener("toggle", (e) => {
		const menu = e.target;
		if (!(menu instanceof Element) || !menu.classList.contains("menu")) return;
		const button = one(`[popovertarget="${menu.id}"]`);
		all(`[popovertarget="${menu.id}"]`).forEach((b) => b.setAttribute("aria-expanded", e.newState === "open"));
		if (e.newState !== "open") return;
		const b = opener?.matches?.("[popovertarget]") ? opener : button;
		if (b && b.getAttribute("popovertarget") === menu.id && !menu.classList.contains("more-menu")) {
			const r = b.getBoundingClientRect(), m = menu.getBoundingClientRect();
			const up = r.bottom + m.height + 8 > innerHeight && r.top > m.height;
			place(menu, menu.dataset.align === "start" || r.left < innerWidth / 2 ? r.left : r.right, up ? r.top - m.height - 4 : r.bottom + 4, !(menu.dataset.align === "start" || r.left < innerWidth / 2));
			items(menu)[0]?.focus({ preventScroll: true });
		}
	}, true);
	doc.addEventListener("keydown", (e) => {
		const menu = e.target instanceof Element && e.target.closest(".menu:popover-open");
		if (!menu) return;
		const list = items(menu), at = list.indexOf(doc.activeElement);
		let to = -1;
		if (e.key === "ArrowDown") to = (at + 1) % list.length;
		else if (e.key === "ArrowUp") to = (at - 1 + list.length) % list.length;
		else if (e.key === "Home") to = 0;
		else if (e.key === "End") to = list.length - 1;
		else if (e.key === "Tab") menu.hidePopover();
		else if (e.key.length === 1 && !e.ctrlKey && !e.metaKey && e.key !== " ")
			to = [...list.keys()].map((i) => (at + 1 + i) % list.length).find((i) => list[i].textContent.trim().toLowerCase().startsWith(e.key.toLowerCase())) ?? -1;
		if (to >= 0) { e.preventDefault(); e.stopPropagation(); list[to].focus(); }
	}, true);
	on("click", '.menu [role^="menuitem"]', (e, t) => { const m = t.closest(".menu"); setTimeout(() => m.matches(":popover-open") && m.hidePopover()); });

	// Dialogs: an open one in the page becomes modal; Escape and a click outside close it unless
	// something was typed. One with data-back leads there when it closes.
	const dirty = (d) => all("input, textarea, select", d).some((i) =>
		i.type === "hidden" ? false : i.type === "checkbox" || i.type === "radio" ? i.checked !== i.defaultChecked : i.tagName === "SELECT" ? [...i.options].some((o) => o.selected !== o.defaultSelected) && i.selectedIndex > 0 : i.value !== i.defaultValue);
	const openDialogs = (from) => all("dialog[open]:not([data-inline])", from).concat(from.matches?.("dialog[open]:not([data-inline])") ? [from] : []).forEach((d) => {
		if (d.matches(":modal")) return;
		d.close();
		delete d.dataset.closing;
		d.showModal();
	});
	havre.dialog = (d) => { if (!d.open) d.showModal(); };
	on("click", "[data-dialog]", (e, t) => { const d = one(t.dataset.dialog); if (d) { e.preventDefault(); havre.dialog(d); } });
	const leave = (d) => {
		d.close();
		if (d.dataset.back) location.href = d.dataset.back;
		else if (d.dataset.remove !== undefined) d.remove();
	};
	on("click", "dialog [data-close]", (e, t) => { e.preventDefault(); leave(t.closest("dialog")); });
	doc.addEventListener("mousedown", (e) => {
		if (!(e.target instanceof HTMLDialogElement) || !e.target.matches(":modal")) return;
		const r = e.target.getBoundingClientRect();
		const inside = e.clientX >= r.left && e.clientX <= r.right && e.clientY >= r.top && e.clientY <= r.bottom;
		if (!inside && !dirty(e.target)) leave(e.target);
	});
	doc.addEventListener("cancel", (e) => {
		if (!(e.target instanceof HTMLDialogElement)) return;
		e.preventDefault();
		if (!dirty(e.target)) leave(e.target);
	}, true);
	doc.addEventListener("htmx:load", (e) => openDialogs(e.detail.elt));
	doc.addEventListener("DOMContentLoaded", () => openDialogs(doc));

	// Keys: a registry, so that they can be listed. Letters act only where the focus is in a list.
	const keys = [];
	havre.key = (key, act, where) => keys.push({ key, act, where });
	const typing = (t) => t.matches?.("input:not([type=checkbox],[type=radio],[type=range]), textarea, select, [contenteditable]");
	doc.addEventListener("keydown", (e) => {
		if (e.defaultPrevented || !(e.target instanceof Element)) return;
		const name = (e.ctrlKey || e.metaKey ? "Ctrl " : "") + (e.shiftKey && e.key.length > 1 ? "Shift " : "") + (e.key.length === 1 ? e.key.toLowerCase() : e.key);
		if (name === "Ctrl z" && !typing(e.target)) {
			const b = one("#toast [data-undo]");
			if (b) { e.preventDefault(); b.click(); }
			return;
		}
		for (const k of keys) {
			if (name.length === 1 && root.dataset.letters === "off") return;
			if (k.key !== name || (k.where && !e.target.closest(k.where)) || (typing(e.target) && !name.startsWith("Ctrl"))) continue;
			if (k.act(e) !== false) { e.preventDefault(); return; }
		}
	});

	// The stream of events. Elements with data-live="folder:NAME" "people" or "mine" are asked for again by
	// their own hx-get when htmx hears "live" on them; the answer is merged into what is there. data-seen has the
	// version that is shown, in the same order: what changed between the making of the page and now is told at once.
	let source, heard = Date.now(), lostTimer, firing = new Map();
	const wanted = () => {
		const shown = new Map(), q = new URLSearchParams();
		all("[data-live]").forEach((e) => {
			const seen = (e.dataset.seen ?? "").split("|");
			e.dataset.live.split("|").forEach((t, i) => { if (!shown.get(t)) shown.set(t, seen[i] ?? ""); });
		});
		[...shown].sort().forEach(([t, seen]) => {
			if (t.startsWith("folder:")) { q.append("folder", t.slice(7)); q.append("seen", seen); }
			else if (t) q.append({ people: "admin" }[t] ?? t, seen);
		});
		return { names: [...shown.keys()].sort().join("|"), address: "/live?" + q };
	};
	// What a live element gets is merged into what is there, so that focus, ticks and scrolling stay. A failure
	// goes where the server says.
	doc.addEventListener("htmx:beforeSwap", (e) => {
		if (e.detail.xhr.status >= 400) return;
		const how = e.detail.requestConfig?.elt?.closest?.("[data-live]") === e.detail.requestConfig?.elt && e.detail.requestConfig.elt.getAttribute("hx-swap");
		if (how === "outerHTML" || how === "innerHTML") e.detail.swapOverride = "morph:" + how;
	});
	// What could not be read for a while can be read again: the remark goes.
	doc.addEventListener("htmx:afterRequest", (e) => {
		if (e.detail.successful && e.detail.requestConfig?.elt?.matches?.("[data-live]")) one("#failure > [data-passing]")?.remove();
	});
	// At most one refresh in half a second for each topic: a burst of revisions is one.
	const fire = (topic, detail) => {
		if (firing.has(topic)) { firing.get(topic).again = true; return; }
		const state = { again: false };
		firing.set(topic, state);
		all("[data-live]").filter((e) => e.dataset.live.split("|").includes(topic)).forEach((e) => {
			e.dispatchEvent(new CustomEvent("live", { detail }));
		});
		setTimeout(() => { firing.delete(topic); if (state.again) fire(topic, detail); }, 500);
	};
	const lost = () => {
		const silent = Date.now() - heard, bar = one("#lost");
		if (!bar || !source) return;
		bar.hidden = silent < 5000;
		if (bar.hidden) return;
		const text = one("[data-lost-text]", bar), since = one("[data-lost-since]", bar);
		text.textContent = text.dataset.lostText.replace("{n}", Math.round(silent / 1000));
		since.textContent = since.dataset.lostSince.replace("{clock}", new Date(heard).toLocaleTimeString(root.lang, { hour: "2-digit", minute: "2-digit" }));
	};
	const connect = () => {
		const { names, address } = wanted();
		if (source?.names === names && source.readyState !== EventSource.CLOSED) return;
		source?.close();
		if (!names) { source = undefined; return; }
		source = new EventSource(address);
		source.names = names;
		source.addEventListener("beat", () => {
			const away = Date.now() - heard > 5000;
			heard = Date.now();
			if (away) new Set(all("[data-live]").flatMap((e) => e.dataset.live.split("|"))).forEach((t) => fire(t));
			lost();
		});
		source.addEventListener("changed", (e) => {
			heard = Date.now();
			const [rev, ...name] = e.data.split(" ");
			fire("folder:" + name.join(" "), { rev: Number(rev) });
		});
		source.addEventListener("people", () => { heard = Date.now(); fire("people"); });
		source.addEventListener("mine", () => { heard = Date.now(); fire("mine"); });
		source.addEventListener("backups", () => { heard = Date.now(); fire("backups"); });
		source.addEventListener("ended", () => { source.close(); source = undefined; if (!dirty(doc)) location.reload(); });
	};
	addEventListener("pagehide", () => { source?.close(); source = undefined; });
	addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
	on("click", "[data-retry]", () => { source?.close(); connect(); });
	doc.addEventListener("htmx:afterSettle", () => { if (one("[data-live]") || source) connect(); });
	doc.addEventListener("DOMContentLoaded", () => {
		if (!one("[data-live]")) return;
		heard = Date.now();
		connect();
		lostTimer = setInterval(() => { if (source?.readyState === EventSource.CLOSED) { source.close(); const s = source; source = undefined; if (s) connect(); } lost(); }, 1000);
	});
})();
