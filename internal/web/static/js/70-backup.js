// The replay of a pad or poll: a slider over all its moments, and playing them. The server says what is shown
// next and when; each picture is a few parts of the page.
(() => {
	"use strict";
	const { one, all, on } = window.havre;
	const panel = () => one("[data-replay]");
	const slider = (p) => one("input[type=range]", p);

	// Where bars begin: place on the line and moment, both rising.
	const stops = (p) => (p.stops ??= p.dataset.stops.trim().split(/\s+/).map((s) => s.split(":").map(Number)));
	const between = (list, from, to, v) => {
		let i = 1;
		while (i < list.length - 1 && list[i][from] <= v) i++;
		const a = list[i - 1] || list[0], b = list[i] || a, part = b[from] === a[from] ? 0 : Math.min(1, Math.max(0, (v - a[from]) / (b[from] - a[from])));
		return a[to] + part * (b[to] - a[to]);
	};
	const width = (p) => one("svg", p).viewBox.baseVal.width;
	const mark = (p, x) => {
		one(".chosen-mark", p).setAttribute("transform", `translate(${x} 0)`);
		one(".before", p).setAttribute("width", x);
		for (const b of all("rect.bars", p)) {
			const after = +b.getAttribute("x") > x;
			b.classList.toggle("past", !after);
			b.classList.toggle("after", after);
		}
		const s = one(".timeline-scroll", p), ring = one(".chosen-mark .ring", p).getBoundingClientRect(), box = s.getBoundingClientRect();
		if (s.scrollWidth > s.clientWidth && (ring.left < box.left + 40 || ring.right > box.right - 40)) s.scrollLeft += ring.left - box.left - box.width / 2;
	};

	const address = (p, i, part) => {
		const u = new URL(p.dataset.replay, location.href), param = one(".b-goto input[type=number]", p);
		for (const h of all(".b-goto input[type=hidden]", p)) u.searchParams.set(h.name, h.value);
		u.searchParams.set(param.name, i + +param.min);
		if (part) {
			u.searchParams.set("part", "moment");
			u.searchParams.set("speed", one("[data-speed][aria-pressed=true]", p)?.dataset.speed || 8);
			if (one("[data-skip]", p)?.checked) u.searchParams.set("skip", "1");
		}
		return u;
	};

	let timer, asking, playing = false;
	// show asks for the parts of a moment; answers that came too late are dropped.
	const show = async (p, i) => {
		asking?.abort();
		const mine = (asking = new AbortController());
		let text;
		try {
			const r = await fetch(address(p, i, true), { signal: mine.signal, headers: { "HX-Request": "true" } });
			if (!r.ok) return stop(p);
			text = await r.text();
		} catch { return mine.signal.aborted ? undefined : stop(p); }
		if (mine.signal.aborted) return;
		const fresh = new DOMParser().parseFromString(text, "text/html");
		for (const part of all("[data-part]", fresh)) {
			const to = one(`[data-part="${part.dataset.part}"]`);
			if (!to || (part.dataset.part === "beside" && one("[open]", to))) continue;
			const focus = to.contains(document.activeElement) && document.activeElement.dataset.step;
			to.replaceWith(document.adoptNode(part));
			if (focus) one(`[data-step="${focus}"]`)?.focus();
		}
		const when = one("[data-part=when]"), input = slider(p);
		input.value = when.dataset.at;
		input.setAttribute("aria-valuetext", when.dataset.spoken);
		mark(p, +when.dataset.x);
		history.replaceState(history.state, "", address(p, +when.dataset.at));
		return when.dataset;
	};
	// choose paints at once, the text follows after 80 ms.
	const choose = (p, i, x) => {
		i = Math.min(Math.max(0, Math.round(i)), +p.dataset.head);
		stop(p);
		slider(p).value = i;
		mark(p, x ?? between(stops(p), 1, 0, i));
		timer = setTimeout(() => show(p, i), 80);
	};
	const stop = (p) => {
		clearTimeout(timer);
		playing = false;
		const b = one("[data-play]", p);
		if (!b) return;
		b.setAttribute("aria-pressed", "false");
		b.setAttribute("aria-label", b.dataset.words);
	};
	const play = async (p) => {
		const b = one("[data-play]", p), head = +p.dataset.head;
		clearTimeout(timer);
		playing = true;
		b.setAttribute("aria-pressed", "true");
		b.setAttribute("aria-label", b.dataset.pause);
		let i = +slider(p).value >= head ? 0 : +slider(p).value;
		const step = async () => {
			const began = performance.now(), d = await show(p, i);
			if (!d || !playing) return;
			if (+d.at >= head) return stop(p);
			i = +d.to;
			timer = setTimeout(step, Math.max(0, +d.wait - (performance.now() - began)));
		};
		step();
	};
	on("click", "[data-play]", () => { const p = panel(); if (playing) { asking?.abort(); stop(p); } else play(p); });
	on("click", "[data-speed]", (e, t) => all("[data-speed]", panel()).forEach((b) => b.setAttribute("aria-pressed", b === t)));
	on("click", "[data-replay] [data-step]", (e, t) => {
		if (e.ctrlKey || e.metaKey || e.shiftKey) return;
		e.preventDefault();
		const p = panel();
		choose(p, +slider(p).value + +t.dataset.step);
	});
	on("input", "[data-replay] input[type=range]", (e, t) => { if (!t.dragging) choose(panel(), +t.value); });
	on("keydown", "[data-replay] input[type=range]", (e, t) => {
		const p = panel();
		if (e.key === " ") { e.preventDefault(); one("[data-play]", p).click(); return; }
		if (e.key !== "PageUp" && e.key !== "PageDown") return;
		e.preventDefault(); // by day, where there are several
		const days = (t.dataset.days || "0").split(" ").map(Number), at = +t.value;
		choose(p, e.key === "PageDown" ? days.find((d) => d > at) ?? +p.dataset.head : days.findLast((d) => d < at) ?? 0);
	});
	const at = (p, e) => {
		const r = one("svg", p).getBoundingClientRect(), x = Math.min(Math.max(0, (e.clientX - r.left) / r.width * width(p)), width(p) - 4);
		choose(p, between(stops(p), 0, 1, x), x);
	};
	on("pointerdown", "[data-replay] input[type=range]", (e, t) => {
		e.preventDefault();
		t.focus({ preventScroll: true });
		t.dragging = true;
		t.setPointerCapture(e.pointerId);
		at(panel(), e);
	});
	on("pointermove", "[data-replay] input[type=range]", (e, t) => { if (t.dragging) at(panel(), e); });
	const drop = (e, t) => { t.dragging = false; };
	on("pointerup", "[data-replay] input[type=range]", drop);
	on("pointercancel", "[data-replay] input[type=range]", drop);

	// A new copy: whoever looks at the end of the one before is taken along.
	document.addEventListener("htmx:afterSettle", () => {
		const top = one("#b-top[data-head]"), p = panel();
		if (!top || !p || playing || top.dataset.head === p.dataset.head || +slider(p).value < +p.dataset.head) return;
		const focus = document.activeElement === slider(p);
		window.htmx.ajax("GET", p.dataset.replay, { target: "#b-body", select: "#b-body", swap: "outerHTML" }).then(() => { if (focus) slider(panel())?.focus(); });
	});

	// Add many: a pasted text or a chosen file is sent by itself; the button says how many are ticked.
	// What was ticked and typed outlives the refreshing of the list.
	const kept = new Map();
	on("change", "[data-found] input[type=checkbox]", (e, t) => { kept.set(t.name + t.value, t.checked); count(); });
	on("input", "[data-found] .b-field input", (e, t) => kept.set(t.name, t.value));
	const count = () => {
		const form = one("[data-found]"), button = one("[data-add]");
		if (!form || !button) return;
		for (const i of all("#b-found input", form)) {
			const was = kept.get(i.type === "checkbox" ? i.name + i.value : i.name);
			if (was === undefined || i.disabled) continue;
			if (i.type === "checkbox") i.checked = was; else if (i.value !== was) i.value = was;
		}
		const n = all('input[name="item"]:checked', form).length;
		button.disabled = n === 0;
		one("span", button).textContent = (n === 1 ? button.dataset.single : button.dataset.other).replace("#", window.havre.number(n));
	};
	on("paste", "[data-paste]", (e, t) => setTimeout(() => { if (t.value.trim()) t.form.requestSubmit(); }));
	on("change", "[data-paste-file]", (e, t) => { if (t.files.length) t.form.requestSubmit(); });
	document.addEventListener("DOMContentLoaded", count);
	document.addEventListener("htmx:afterSettle", count);
})();
