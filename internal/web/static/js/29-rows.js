// The rows of a directory as this page knows them. Of a long list only the first rows are elements from
// the beginning; the others are lines of text in their groups, so that the browser's search, the scroll bar
// and print are true, and become elements when they come near, or when something needs them. So what is
// ticked and what the filter hides is known here, not in the elements.
//
// A row is {name, group, index, hidden, ticked, el}; el is its element, if there is one.
(() => {
	"use strict";
	const { one, all } = window.havre;
	const kinds = { d: "dir", t: "text", b: "table", s: "slides", p: "pdf", i: "image", w: "drawing", m: "media", a: "archive", c: "code", e: "pad", o: "other" };
	const near = "1200px";
	const api = (window.havre.rows = {});
	let list, rows = [], pattern;

	const box = (el) => one('input[name="item"]', el);
	const ofElement = (el, group) => {
		const b = box(el), r = { name: b.value, group, el, hidden: el.hidden, ticked: b.checked };
		el.row = r;
		return r;
	};
	// The lines of a group of text: see rowWriter.lines.
	const ofLines = (el, group) => {
		const letters = el.dataset.k, times = el.dataset.t.split(",");
		let time = "";
		return group.source.split("\n").map((line, i) => {
			const [name, changed, amount, marks = "", lock = ""] = line.split("\t");
			time = times[i] || time;
			return { name, group, changed, amount, marks, lock, line, kind: letters[i], time, hidden: false, ticked: false };
		});
	};
	const observer = new IntersectionObserver((seen) => seen.forEach((s) => { if (s.isIntersecting) build(s.target.group); }), { rootMargin: near + " 0px" });

	// read learns the list that is there; ticks stay by name while the directory is the same.
	const read = () => {
		const now = one("#list"), ticked = new Set();
		if (now && list && now.dataset.address === api.address) rows.forEach((r) => { if (r.ticked) ticked.add(r.name); });
		list = now;
		rows = [];
		observer.disconnect();
		if (!list) return;
		api.address = list.dataset.address;
		const first = one(".fr", list);
		if (first) pattern = first.cloneNode(true);
		all(".fg, .f-tiles", list).forEach((el) => {
			const text = el.dataset.k !== undefined;
			const group = { el, built: !text || el.matches("[role]"), text };
			el.group = group;
			if (text) {
				group.source = el.source ??= el.textContent;
				group.rows = ofLines(el, group);
				if (group.built) {
					const there = new Map([...el.children].map((c) => [box(c).value, c]));
					group.rows.forEach((r) => { r.el = there.get(r.name); r.el.row = r; r.ticked = box(r.el).checked; });
				} else observer.observe(el);
			} else group.rows = [...el.children].filter((c) => c.matches(".fr, .ft")).map((c) => ofElement(c, group));
			group.rows.forEach((r) => {
				r.index = rows.length;
				rows.push(r);
				if (text && r.el) r.el.setAttribute("aria-rowindex", r.index + 2); // the head is the first
				if (ticked.has(r.name)) api.tick(r, true);
			});
		});
	};

	// build makes elements of a group's lines, as rowWriter.row writes them.
	const build = (g) => {
		if (g.built || !pattern) return;
		g.built = true;
		observer.unobserve(g.el);
		g.el.setAttribute("role", "rowgroup");
		g.el.replaceChildren(...g.rows.map(element));
	};
	const hashed = (s) => {
		let h = 2166136261;
		for (const b of new TextEncoder().encode(s)) h = Math.imul(h ^ b, 16777619) >>> 0;
		return h.toString(36);
	};
	const span = (c, text) => { const s = document.createElement("span"); s.className = c; s.textContent = text; return s; };
	const visible = (s) => s.replace(/[\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
	const named = (place, name) => {
		let stem = visible(name), ext = "", end = "";
		const dot = stem.lastIndexOf(".");
		if (dot > 0 && new TextEncoder().encode(stem.slice(dot)).length <= 10 && !stem.slice(dot).includes(" ")) { ext = stem.slice(dot); stem = stem.slice(0, dot); }
		const signs = [...stem];
		if (signs.length > 24) { end = signs.slice(-9).join(""); stem = signs.slice(0, -9).join(""); }
		place.removeAttribute("title");
		if (!end && !ext) { place.textContent = stem; return; }
		place.replaceChildren(span("stem", stem), ...(end ? [span("end", end)] : []), ...(ext ? [span("ext", ext)] : []));
	};
	const element = (r) => {
		const el = pattern.cloneNode(true), [tick, name, changed, amount, menu] = el.children;
		const conflict = r.kind !== r.kind.toLowerCase(), age = Date.now() / 1000 - parseInt(r.time, 36);
		const i = r.name.lastIndexOf(" (conflict, "), shown = conflict ? r.name.slice(0, i) + r.name.slice(r.name.indexOf(")", i) + 1) : r.name;
		el.className = "fr" + (conflict ? " fc" : "") + (age >= 0 && age < 8 ? " is-new" : "");
		el.id = "f" + hashed(r.name);
		el.removeAttribute("tabindex");
		el.removeAttribute("draggable");
		el.setAttribute("aria-rowindex", r.index + 2);
		el.hidden = r.hidden;
		const b = one("input", tick);
		b.removeAttribute("checked");
		b.value = r.name;
		b.checked = r.ticked;
		name.className = "fn k-" + kinds[r.kind.toLowerCase()];
		const a = one("a", name);
		a.setAttribute("href", api.address + "/" + encodeURIComponent(r.name));
		a.hidden = false;
		named(one(".name", a), shown);
		all(".tag, .mk", name).forEach((t) => t.remove());
		if (conflict) { const t = span("tag warn", list.dataset.conflict); t.title = visible(r.name); name.append(t); }
		for (const m of r.marks) {
			const title = list.dataset["mark" + m.toUpperCase()].replace("{name}", r.lock);
			const mark = m === "l" ? span("tag mk-l", r.lock) : span("mk mk-" + m, "");
			mark.title = title;
			if (m !== "l") mark.append(span("hidden-text", title));
			name.append(mark);
		}
		const [when, ...who] = r.changed.split(" · "), parts = [];
		if (when) {
			const t = document.createElement("time");
			t.dateTime = new Date(parseInt(r.time, 36) * 1000).toISOString().replace(".000", "");
			t.textContent = when;
			parts.push(t, ...(who.length ? [" · " + who.join(" · ")] : []));
		}
		changed.replaceChildren(...parts);
		amount.textContent = r.amount;
		one("a", menu).setAttribute("href", "?details=" + encodeURIComponent(r.name));
		r.el = el;
		el.row = r;
		return el;
	};

	// merge brings a group of text, or its elements, to what another text says.
	const merge = (old, fresh) => {
		if (fresh.dataset.k === undefined) return true;
		const source = fresh.textContent, same = old.source === source && old.dataset.k === fresh.dataset.k && old.dataset.t === fresh.dataset.t;
		if (same || (old.dataset.k !== undefined && !old.matches("[role]") && old.textContent === source && old.dataset.t === fresh.dataset.t)) return false;
		const built = old.matches("[role]");
		old.dataset.k = fresh.dataset.k;
		old.dataset.t = fresh.dataset.t;
		old.source = source;
		old.removeAttribute("role");
		old.textContent = source;
		if (built) { // it is near: elements again
			const g = { el: old, source, text: true, built: false };
			g.rows = ofLines(old, g);
			g.rows.forEach((r) => { r.index = 0; });
			build(g);
		}
		return false;
	};
	const defaults = window.Idiomorph?.defaults.callbacks;
	if (defaults) defaults.beforeNodeMorphed = (old, fresh) => (old instanceof Element && fresh instanceof Element && old.matches(".fg") && fresh.matches(".fg") ? merge(old, fresh) : true);

	// What the list's script asks.
	api.read = read;
	api.all = () => rows;
	api.shown = () => rows.filter((r) => !r.hidden);
	api.chosen = () => rows.filter((r) => r.ticked);
	api.named = (name) => rows.find((r) => r.name === name);
	api.of = (node) => node.closest("#list .fr, #list .ft")?.row;
	api.element = (r) => { build(r.group); return r.el; };
	api.tick = (r, on) => { r.ticked = on; if (r.el) box(r.el).checked = on; };
	// hide shows the rows that pass and no others; it returns how many these are.
	api.hide = (passes) => {
		let n = 0;
		const changed = new Set();
		rows.forEach((r) => {
			const hidden = !passes(r);
			if (!hidden) n++;
			if (hidden === r.hidden) return;
			r.hidden = hidden;
			if (r.el) r.el.hidden = hidden;
			changed.add(r.group);
		});
		changed.forEach((g) => {
			const left = g.rows.filter((r) => !r.hidden);
			if (!g.built) g.el.textContent = left.map((r) => r.line).join("\n");
			g.el.hidden = left.length === 0;
			g.el.style.setProperty("--n", left.length);
		});
		return n;
	};
	addEventListener("beforeprint", () => rows.forEach((r) => build(r.group)));
})();
