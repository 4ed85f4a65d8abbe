// The time line, directories as they were, versions and differences.
(() => {
	"use strict";
	const { one, all, on } = window.havre;

	// What a time line stops at: "x:revision:text", a line each, the oldest first.
	const stops = (line) => {
		if (!line.stops) line.stops = (line.dataset.stops || "").trim().split("\n").filter(Boolean).map((s) => {
			const a = s.indexOf(":"), b = s.indexOf(":", a + 1);
			return { x: +s.slice(0, a), rev: s.slice(a + 1, b), text: s.slice(b + 1) };
		});
		return line.stops;
	};
	let timer, asking;
	const paint = (line, i) => {
		const s = stops(line)[i], x = s ? s.x : 877, input = one("input[type=range]", line);
		input.setAttribute("aria-valuetext", s ? s.text : input.getAttribute("aria-label"));
		one(".chosen-mark", line)?.setAttribute("transform", `translate(${x} 0)`);
		one(".before", line)?.setAttribute("width", x);
		if (one(".chosen-mark", line)) all("rect.bars", line).forEach((b) => {
			const after = +b.getAttribute("x") > x;
			b.classList.toggle("past", !after);
			b.classList.toggle("after", after);
		});
		const title = one("[data-past] h1");
		if (title && s) title.dataset.moving = "1";
	};
	// The list follows after 80 ms; answers that came too late are dropped.
	const go = (line, i) => {
		const s = stops(line)[i], address = line.dataset.timeline + (s ? "?at=r" + s.rev : "");
		clearTimeout(timer);
		timer = setTimeout(async () => {
			if (!s || !one("[data-past]")) { location.href = address; return; }
			asking?.abort();
			asking = new AbortController();
			let text;
			try {
				const r = await fetch(address, { signal: asking.signal, headers: { "HX-Request": "true" } });
				if (!r.ok) { location.href = address; return; }
				text = await r.text();
			} catch { return; }
			const fresh = new DOMParser().parseFromString(text, "text/html");
			for (const part of [".past-body", ".past-top", ".past-controls"]) {
				const from = one(part, fresh), to = one(part);
				if (from && to) to.replaceWith(document.adoptNode(from));
			}
			document.title = one("title", fresh)?.textContent || document.title;
			history.replaceState(history.state, "", address);
			selection();
		}, 80);
	};
	const choose = (line, i) => {
		const input = one("input[type=range]", line);
		i = Math.min(Math.max(0, i), +input.max);
		if (+input.value === i && line.shown === i) return;
		input.value = line.shown = i;
		paint(line, i);
		go(line, i);
	};
	on("input", ".timeline[data-stops] input[type=range]", (e, t) => { if (!t.dragging) choose(t.closest(".timeline"), +t.value); });
	on("keydown", ".timeline[data-stops] input[type=range]", (e, t) => {
		if (e.key !== "PageUp" && e.key !== "PageDown") return;
		e.preventDefault(); // by day
		const line = t.closest(".timeline"), list = stops(line), up = e.key === "PageUp" ? -1 : 1;
		let i = +t.value;
		const day = (n) => (list[n]?.text || "").split(/,| à /)[0], from = day(i);
		while (i + up >= 0 && i + up < list.length && day(i) === from) i += up;
		choose(line, i);
	});
	// The pointer chooses by place, the range input by number of changes.
	const at = (line, e) => {
		const r = one("svg", line).getBoundingClientRect(), x = (e.clientX - r.left) / r.width * 880, list = stops(line);
		if (x > 872) return list.length;
		let best = 0;
		list.forEach((s, i) => { if (Math.abs(s.x - x) <= Math.abs(list[best].x - x)) best = i; });
		return best;
	};
	on("pointerdown", ".timeline[data-stops] input[type=range]", (e, t) => {
		e.preventDefault();
		t.focus();
		t.dragging = true;
		t.setPointerCapture(e.pointerId);
		choose(t.closest(".timeline"), at(t.closest(".timeline"), e));
	});
	on("pointermove", ".timeline[data-stops] input[type=range]", (e, t) => { if (t.dragging) choose(t.closest(".timeline"), at(t.closest(".timeline"), e)); });
	const drop = (e, t) => { t.dragging = false; };
	on("pointerup", ".timeline[data-stops] input[type=range]", drop);
	on("pointercancel", ".timeline[data-stops] input[type=range]", drop);
	// On a phone the line is wider than the window: scrolled to the moment.
	const scroll = () => all(".timeline-scroll").forEach((s) => {
		const ring = one(".chosen-mark", s);
		s.scrollLeft = ring ? ring.getBoundingClientRect().left - s.getBoundingClientRect().left + s.scrollLeft - s.clientWidth / 2 : s.scrollWidth;
	});
	document.addEventListener("DOMContentLoaded", scroll);
	document.addEventListener("htmx:load", scroll);

	// Date and time lead on when either is changed.
	on("change", "[data-moment] input[name=day], [data-moment] input[name=time]", (e, t) => { if (t.form.reportValidity()) t.form.requestSubmit(); });

	// What is ticked in the past.
	const selection = () => {
		const form = one("[data-past-form]");
		if (!form) return;
		const boxes = all('input[name="item"]', form), n = boxes.filter((b) => b.checked).length, bar = one("[data-selection]", form), every = one("[data-all]", form);
		boxes.forEach((b) => b.closest("tr").classList.toggle("is-ticked", b.checked));
		if (every) { every.checked = n > 0 && n === boxes.length; every.indeterminate = n > 0 && n < boxes.length; }
		if (!bar) return;
		bar.classList.toggle("on", n > 0);
		for (const e of all("[data-count], [data-bring]", bar)) e.textContent = (n === 1 && e.dataset.single) || (e.dataset.count || e.dataset.bring).replace("#", n);
	};
	on("change", "[data-past-form] input", (e, t) => {
		if (t.matches("[data-all]")) all('input[name="item"]', t.form).forEach((b) => { b.checked = t.checked; });
		selection();
	});
	document.addEventListener("reset", (e) => { if (e.target.matches?.("[data-past-form]")) setTimeout(selection); });
	document.addEventListener("DOMContentLoaded", () => { document.documentElement.classList.add("scripted"); selection(); });

	// Two versions are compared; a third tick takes the place of the first.
	on("change", "[data-versions] input[name=compare]", (e, t) => {
		const form = t.form, boxes = all("input[name=compare]", form);
		form.order = (form.order || []).filter((b) => b !== t && b.checked);
		if (t.checked) form.order.push(t);
		while (form.order.length > 2) form.order.shift().checked = false;
		const button = one("button.primary", form), chosen = boxes.filter((b) => b.checked).map((b) => +b.value).sort((a, b) => a - b);
		if (!button) return;
		button.disabled = chosen.length !== 2;
		const words = one("span", button);
		button.words ??= words.textContent;
		words.textContent = chosen.length === 2 ? form.dataset.versions.replace("#a", chosen[0]).replace("#b", chosen[1]) : button.words;
	});
	on("change", "[data-compare] select", (e, t) => {
		const [a, b] = all("select", t.form).map((s) => s.value);
		location.href = t.form.action + "?compare=" + a + ".." + b;
	});

	// Passages of a difference: N and P.
	let passage = 0;
	const step = (by) => {
		const list = all("[data-diff] [data-p]");
		if (!list.length) return false;
		passage = Math.min(Math.max(1, passage + by), list.length);
		all("[data-diff] .is-current").forEach((r) => r.classList.remove("is-current"));
		let row = list[passage - 1];
		row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
		do { row.classList.add("is-current"); row = row.nextElementSibling; } while (row && row.matches(".add, .del, .both") && !row.dataset.p);
		const text = one("[data-passage-text]");
		if (text) text.textContent = text.dataset.passageText.replace("#", passage);
		return true;
	};
	on("click", "[data-passage]", (e, t) => step(+t.dataset.passage));
	window.havre.key("n", () => step(1));
	window.havre.key("p", () => step(-1));
})();
