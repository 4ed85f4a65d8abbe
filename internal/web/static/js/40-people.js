// People, groups and rights: lists that are filtered as one types, the table of rights by keyboard, and
// effects that are shown while one chooses.
(() => {
	"use strict";
	const { one, all, on, token } = window.havre;

	// ask fetches a fragment and puts it in the place of the element with the same selector, unless
	// something newer was asked for meanwhile. Focus and scrolling stay.
	const asking = new Map();
	const ask = async (selector, address, body) => {
		asking.get(selector)?.abort();
		const mine = new AbortController();
		asking.set(selector, mine);
		let text;
		try {
			const answer = await fetch(address, {
				method: body ? "POST" : "GET", body, signal: mine.signal,
				headers: { "Hx-Request": "true", "Hx-Target": selector.slice(1), "X-Csrf": token() },
			});
			if (answer.status === 401) { location.reload(); return false; }
			text = await answer.text();
		} catch (e) {
			if (e.name === "AbortError") return false;
			throw e;
		}
		const page = new DOMParser().parseFromString(text, "text/html");
		const fresh = one(selector, page), old = one(selector);
		if (!fresh) { const note = one(".note", page); if (note) one("#failure").replaceChildren(document.adoptNode(note)); return false; }
		if (!old) return false;
		one("#failure")?.replaceChildren();
		const focus = document.activeElement, id = old.contains(focus) ? focus.id : "", name = old.contains(focus) ? focus.name : "";
		const scroll = one(".matrix-scroll", old)?.scrollLeft;
		const element = document.adoptNode(fresh);
		old.replaceWith(element);
		if (scroll) one(".matrix-scroll", element).scrollLeft = scroll;
		prepare();
		const again = (id && document.getElementById(id)) || (name && one(`[name="${CSS.escape(name)}"]`, element));
		if (again) again.focus({ preventScroll: true });
		window.htmx?.process(element);
		return true;
	};
	const fields = (form, submitter) => new URLSearchParams(new FormData(form, submitter));

	// Lists that are filtered as one types.
	let typing;
	const filter = (form) => {
		const q = fields(form);
		[...q.keys()].forEach((k) => q.get(k) === "" && q.delete(k));
		const path = new URL(form.action).pathname, address = path + (q.size ? "?" + q : "");
		const selector = form.dataset.liveFilter, table = one("[data-rights]");
		let body;
		if (table && form.action && one(selector)?.contains(table)) {
			// Changes that wait stay while one searches.
			body = fields(table);
			body.set("q", q.get("q") || "");
		}
		ask(selector, body ? table.dataset.draft : address, body).then((done) => done && history.replaceState(history.state, "", address));
	};
	on("input", "[data-live-filter] input[type=search]", (e, t) => {
		clearTimeout(typing);
		typing = setTimeout(() => filter(t.form), 120);
	});
	on("submit", "[data-live-filter]", (e, t) => { e.preventDefault(); clearTimeout(typing); filter(t); });

	// The menu of a row comes when it is asked for: five hundred of them would weigh more than the list.
	on("click", "[data-person-menu]", async (e, t) => {
		if (e.ctrlKey || e.metaKey || e.shiftKey) return;
		e.preventDefault();
		const answer = await fetch(t.getAttribute("href") + "?menu", { headers: { "Hx-Request": "true" } });
		if (!answer.ok) { location.href = t.href; return; }
		const menu = one("#row-menu"), r = t.getBoundingClientRect();
		menu.innerHTML = await answer.text();
		t.focus({ preventScroll: true });
		window.havre.openMenu(menu, r.right, r.bottom + 4);
	});

	// The name to sign in follows the name, until somebody types it.
	on("input", "[data-name-source]", (e, t) => {
		const to = one("[data-name-target]", t.form);
		if (!to || to.dataset.typed) return;
		to.value = t.value.trim().split(/\s+/)[0].normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9._-]/g, "");
	});
	on("input", "[data-name-target]", (e, t) => { t.dataset.typed = "1"; });
	on("focusin", "[data-select]", (e, t) => t.select());

	// The table of rights.
	const cells = () => all(".matrix .cell button");
	const valueOf = (b) => { const at = b.value.indexOf(" "); return [b.value.slice(0, at), b.value.slice(at + 1)]; };
	let last = "";
	// Rows below a place fold away.
	const folded = new Set();
	const fold = () => {
		let under = Infinity;
		all(".matrix tbody tr").forEach((row) => {
			const depth = Number(row.dataset.depth), shut = folded.has(row.dataset.place);
			row.hidden = depth > under;
			if (depth <= under) under = shut ? depth : Infinity;
			one(".fold", row)?.setAttribute("aria-expanded", !shut);
		});
	};
	on("click", ".matrix .fold", (e, t) => {
		const place = t.closest("tr").dataset.place;
		if (!folded.delete(place)) folded.add(place);
		fold();
	});
	const prepare = () => {
		const list = cells();
		if (!list.length) return;
		const current = list.find((b) => b.id === last) || list[0];
		fold();
		list.forEach((b) => { b.tabIndex = b === current ? 0 : -1; b.setAttribute("aria-haspopup", "menu"); });
	};
	document.addEventListener("DOMContentLoaded", prepare);
	document.addEventListener("htmx:afterSettle", prepare);
	on("focusin", ".matrix .cell button", (e, t) => {
		last = t.id;
		cells().forEach((b) => { b.tabIndex = b === t ? 0 : -1; });
	});

	let waiting;
	const refresh = (submitter) => {
		const form = one("[data-rights]");
		clearTimeout(waiting);
		waiting = setTimeout(() => ask("#rights", form.dataset.draft, fields(form, submitter)), submitter ? 0 : 120);
	};
	// set chooses a right for a cell: seen at once, checked and explained by the server.
	const set = (b, right) => {
		const form = b.form, [holder, place] = valueOf(b);
		all('input[name="p"]', form).filter((i) => i.value.startsWith(holder + " ") && i.value.slice(holder.length + 3) === place).forEach((i) => i.remove());
		const input = document.createElement("input");
		Object.assign(input, { type: "hidden", name: "p", value: `${holder} ${right} ${place}` });
		form.append(input);
		b.closest(".cell").classList.add("changed");
		refresh();
	};
	const rights = () => document.documentElement.lang === "fr" ? { l: 1, m: 2, g: 3 } : { r: 1, e: 2, m: 3 };
	document.addEventListener("keydown", (e) => {
		const b = e.target instanceof Element && e.target.closest(".matrix .cell button");
		if (!b || e.ctrlKey || e.metaKey || e.altKey) return;
		const row = b.closest("tr"), list = all(".cell button", row), rows = all("tbody tr:not([hidden])", b.closest("table"));
		const x = list.indexOf(b), y = rows.indexOf(row);
		const go = (to) => { if (to) { e.preventDefault(); to.focus(); to.scrollIntoView({ block: "nearest", inline: "nearest" }); } };
		const at = (line, column) => rows[line] && (one(".cell:nth-child(" + (column + 2) + ") button", rows[line]) || (line > y ? at(line + 1, column) : line > 0 && at(line - 1, column)));
		const key = e.key.toLowerCase();
		if (key === "arrowright") go(list[x + 1]);
		else if (key === "arrowleft") go(list[x - 1]);
		else if (key === "arrowdown") go(at(y + 1, x));
		else if (key === "arrowup") go(at(y - 1, x));
		else if (key === "home") go(list[0]);
		else if (key === "end") go(list.at(-1));
		else if (key === "pagedown") go(at(Math.min(y + 10, rows.length - 1), x));
		else if (key === "pageup") go(at(Math.max(y - 10, 0), x));
		else if (/^[0-3]$/.test(key)) { e.preventDefault(); set(b, key); }
		else if (key === "delete" || key === "backspace") { e.preventDefault(); set(b, "-"); }
		else if (rights()[key] && document.documentElement.dataset.letters !== "off") { e.preventDefault(); set(b, rights()[key]); }
	});
	let chosen;
	on("click", ".matrix .cell button", (e, t) => {
		e.preventDefault();
		chosen = t;
		const r = t.getBoundingClientRect();
		window.havre.openMenu(one("#cell-menu"), r.left - 4, r.bottom + 4);
	});
	on("click", "#cell-menu [data-set]", (e, t) => {
		const b = chosen && document.getElementById(chosen.id);
		if (!b) return;
		set(b, t.dataset.set);
		b.focus({ preventScroll: true });
	});
	document.addEventListener("keydown", (e) => {
		const menu = e.target instanceof Element && e.target.closest("#cell-menu");
		const right = menu && (/^[0-3]$/.test(e.key) ? e.key : e.key === "Delete" ? "-" : rights()[e.key.toLowerCase()]);
		if (right === undefined || !menu) return;
		e.preventDefault();
		e.stopImmediatePropagation();
		one(`[data-set="${right}"]`, menu).click();
	}, true);
	on("submit", "[data-rights]", (e, t) => {
		if (e.submitter?.formAction?.endsWith("/apply")) return;
		e.preventDefault();
		refresh(e.submitter);
	});

	// The pane of who reaches a place: the effect follows the choice.
	const show = (form, submitter) => ask("#access", form.action, fields(form, submitter));
	on("change", "[data-access] select[name=r]", (e, t) => show(t.form));
	on("submit", "[data-access]", (e, t) => {
		if (e.submitter?.name === "apply") return;
		e.preventDefault();
		show(t, e.submitter);
	});
})();
