// Uploads: files and directories that are dropped or chosen go to a directory of a folder. Small ones are
// sent in batches, each of which becomes one revision; large ones by tus, which goes on where it was cut,
// also after a reload once the file is chosen again. Elements with data-upload-to="/FOLDER/PATH" take what
// is dropped on them; rows of directories in them take it for themselves.
(() => {
	"use strict";
	const { one, all, on, token } = window.havre;
	const small = 256 << 10, batchBytes = 8 << 20, batchFiles = 500, hashed = 64 << 20, atOnce = 2, asked = 500;
	const lang = document.documentElement.lang;
	const plural = new Intl.PluralRules(lang);

	// items are all files of this page: {file, to, place, size, state, text, sent, ...}. The states are new,
	// ready, running, sent (complete, waits for its revision), need (a person), done, gone.
	const items = [], by = { new: new Set(), ready: new Set(), running: new Set(), sent: new Set(), need: new Set(), done: new Set(), gone: new Set() };
	let panel, texts = {}, paused = false, waits = false, policy = {}, asking = false, sending = false, finishing = false, total = 0, gone = 0, doneBytes = 0;
	let rates = [], delay = 0, finishTimer, closing = false;

	const t = (key, places = {}) => {
		const forms = texts[key] || [key, key];
		const form = "n" in places && plural.select(places.n) === "one" ? forms[0] : forms[1];
		return form.replace(/\{(\w+)\}/g, (m, k) => (k in places ? (typeof places[k] === "number" ? window.havre.number(places[k]) : places[k]) : m));
	};
	const units = lang === "fr" ? ["o", "ko", "Mo", "Go", "To"] : ["B", "kB", "MB", "GB", "TB"];
	const size = (n) => {
		let i = 0;
		while (n >= 999.5 && i < 4) { n /= 1000; i++; }
		return window.havre.number(i ? n : Math.round(n), { maximumSignificantDigits: 3 }) + "\u00a0" + units[i];
	};
	const move = (item, state, text) => {
		by[item.state]?.delete(item);
		item.state = state;
		item.text = text || "";
		by[state].add(item);
		if (state === "done" || state === "gone") {
			doneBytes += item.size - (item.counted || 0);
			item.counted = item.size;
			item.sent = item.size;
			item.file = item.tus = null;
		}
		draw();
	};
	const progress = (item, sent) => { item.sent = sent; draw(); };
	const active = () => by.new.size + by.ready.size + by.running.size + by.sent.size;

	// What was not sent whole before a reload: address, place, size, per person's browser.
	const remembered = () => { try { return JSON.parse(localStorage.getItem("havre-uploads") || "[]"); } catch { return []; } };
	const remember = (item, keep) => {
		const rest = remembered().filter((r) => r.to !== item.to || r.place !== item.place);
		if (keep) rest.push({ to: item.to, place: item.place, size: item.size });
		try { localStorage.setItem("havre-uploads", JSON.stringify(rest.slice(-200))); } catch { /* no room: it is sent anew then */ }
		draw();
	};

	// open shows the panel; it is asked for once, however many want it at the same time.
	let opening;
	const open = async () => {
		if (!panel) await (opening ||= load().finally(() => { opening = undefined; }));
		if (!panel.isConnected) document.body.append(panel);
		panel.hidden = false;
	};
	const load = async () => {
		const r = await fetch("/uploads", { headers: { Accept: "text/html", "Hx-Request": "true" } });
		if (!r.ok) throw new Error("panel");
		const box = document.createElement("div");
		box.innerHTML = await r.text();
		panel = box.firstElementChild;
		texts = JSON.parse(panel.dataset.texts);
	};

	// post asks the server and returns its answer; {fatal} for what trying again does not help.
	const post = async (address, body, json) => {
		const headers = { Accept: "application/json", "X-Csrf": token() };
		if (json) headers["Content-Type"] = "application/json";
		const r = await fetch(address, { method: "POST", body, headers });
		if (r.ok) return r.json();
		if (r.status >= 500 && r.status !== 507) throw new Error(String(r.status));
		return { fatal: (await r.text()).trim() };
	};
	// again calls work until the network lets it pass.
	const again = async (work) => {
		for (;;) {
			try {
				const r = await work();
				waits = false; delay = 0;
				return r;
			} catch (e) {
				if (e?.name === "NotReadableError" || e?.name === "NotFoundError") throw e;
				waits = true;
				draw();
				delay = Math.min(15000, delay * 2 || 1000);
				await Promise.race([new Promise((f) => setTimeout(f, delay)), new Promise((f) => addEventListener("online", f, { once: true }))]);
			}
		}
	};
	const address = (kind, to) => "/" + kind + to;

	// add puts files on the list: [{file, place}], for a directory.
	const add = async (list, to) => {
		await open();
		list.forEach(({ file, place }) => {
			const same = items.find((i) => i.state === "need" && i.to === to && i.place === place && i.file);
			if (same) drop(same);
			const item = { file, to, place: place.normalize("NFC"), name: place.split("/").pop(), size: file.size, sent: 0, state: "new", existing: "" };
			items.push(item);
			by.new.add(item);
			total += file.size;
		});
		panel.hidden = false; // a pointer that only passed by has hidden it meanwhile
		draw();
		pump();
	};
	const drop = (item) => {
		item.tus?.abort?.(true)?.catch?.(() => {});
		by[item.state].delete(item);
		items.splice(items.indexOf(item), 1);
		total -= item.size;
		if (item.counted) doneBytes -= item.counted;
		remember(item, false);
	};

	const pump = () => {
		if (paused) return;
		if (!asking && by.new.size) ask();
		if (!sending) send();
		large();
		finish();
	};

	// ask learns what is at the places already, before anything is sent.
	const ask = async () => {
		asking = true;
		while (by.new.size && !paused) {
			const to = by.new.values().next().value.to;
			const list = [];
			for (const i of by.new) { if (i.to === to && list.push(i) === asked) break; }
			const a = await again(() => post(address("present", to), JSON.stringify({ places: list.map((i) => i.place) }), true));
			for (const [k, item] of list.entries()) {
				if (item.state !== "new") continue;
				const at = a.fatal ? { refused: a.fatal } : a.files[k];
				item.base = a.base;
				if (at.refused) { item.why = "name"; move(item, "need", at.refused); continue; }
				if (!at.taken || item.existing) { move(item, "ready"); continue; }
				if (at.size === item.size && item.size <= hashed && (await sha1(item)) === at.sha1) { move(item, "done", t("same")); continue; }
				taken(item, t("taken"));
			}
			pump();
		}
		asking = false;
	};
	const taken = (item, text) => {
		if (policy[item.to]) { choose(item, policy[item.to]); return; }
		item.why = "taken";
		move(item, "need", text);
	};
	const sha1 = async (item) => {
		item.text = t("checking");
		try {
			const sum = await crypto.subtle.digest("SHA-1", await item.file.arrayBuffer());
			return [...new Uint8Array(sum)].map((b) => b.toString(16).padStart(2, "0")).join("");
		} catch { return ""; }
	};
	const choose = (item, how) => {
		if (how === "skip") { drop(item); draw(); return; }
		item.existing = how;
		if (item.again) { item.again = false; by[item.state].delete(item); item.state = "sent"; by.sent.add(item); }
		else move(item, "ready");
		pump();
	};

	// settle says what the server made of the files.
	const settle = (list, a) => {
		list.forEach((item, k) => {
			if (!by[item.state].has(item)) return; // discarded meanwhile
			const o = a.fatal ? { state: "refused", text: a.fatal } : a.files[k];
			if (o.state === "done") move(item, "done", o.place ? t("renamed", { name: o.place.split("/").pop() }) : t("done"));
			else if (o.state === "same") move(item, "done", t("same"));
			else if (o.state === "taken") { item.again = !!item.id; item.existing = ""; item.base = a.rev > 0 ? a.rev : 0; taken(item, o.text); }
			else if (o.state === "lost" && !item.lost) { item.lost = true; item.id = null; move(item, "new"); } // an answer that was lost: what is there is compared again
			else { item.why = "refused"; item.again = !!item.id && o.state !== "lost"; move(item, "need", o.text); }
			if (item.state === "done" && item.id) remember(item, false);
		});
	};

	// send sends small files, many at a time.
	const send = async () => {
		sending = true;
		for (;;) {
			const list = [];
			let bytes = 0, to;
			for (const i of by.ready) {
				if (paused || i.size > small || (to !== undefined && i.to !== to)) continue;
				if (list.length && (bytes + i.size > batchBytes || list.length === batchFiles)) break;
				to = i.to;
				bytes += i.size;
				list.push(i);
			}
			// Small files that are still compared with what is there join the batch.
			if (!list.length || (list.length < 50 && by.new.size && asking)) break;
			// A file that cannot be read any more must not spoil the others.
			list.forEach((i) => { by.ready.delete(i); i.state = "running"; by.running.add(i); });
			await Promise.all(list.map(async (i) => {
				try { i.blob = new Blob([await i.file.arrayBuffer()]); } catch { i.why = "refused"; move(i, "need", t("unreadable")); }
			}));
			const good = list.filter((i) => i.blob);
			if (!good.length) continue;
			const a = await again(() => {
				const form = new FormData();
				good.forEach((i) => {
					form.append("place", i.place);
					form.append("modified", i.file.lastModified);
					form.append("existing", i.existing);
					form.append("base", i.base || 0);
					form.append("file", i.blob, i.name);
				});
				return post(address("upload", to), form);
			});
			good.forEach((i) => { i.blob = null; });
			settle(good, a);
		}
		sending = false;
		draw();
	};

	// large starts uploads by tus.
	let loading;
	const tusLoaded = () => (loading ||= new Promise((done, failed) => {
		const s = document.createElement("script");
		s.src = panel.dataset.tus;
		s.onload = done;
		s.onerror = () => { loading = undefined; failed(new Error("script")); };
		document.head.append(s);
	}));
	let starting = 0;
	const large = async () => {
		const free = () => [...by.running].filter((i) => i.size > small).length;
		for (const item of [...by.ready]) {
			if (paused || free() >= atOnce) return;
			if (item.size <= small) continue;
			by.ready.delete(item); item.state = "running"; by.running.add(item);
			starting++;
			await again(tusLoaded);
			starting--;
			if (item.state === "running") start(item);
		}
	};
	const start = async (item) => {
		const up = (item.tus = new tus.Upload(item.file, {
			endpoint: "/upload/",
			metadata: { folder: decodeURIComponent(item.to.split("/")[1]), place: item.place },
			headers: { "X-Csrf": token() },
			retryDelays: [0, 1000, 3000, 5000, 10000, 15000],
			removeFingerprintOnSuccess: true,
			storeFingerprintForResuming: true,
			fingerprint: () => Promise.resolve(["havre", item.to, item.place, item.size, item.file.lastModified].join("|")),
			onProgress: (sent) => { waits = false; progress(item, sent); },
			onShouldRetry: (e) => { const s = e.originalResponse?.getStatus() || 0; waits = s === 0; draw(); return s === 0 || s >= 500 && s !== 507 || s === 409 || s === 423; },
			onError: (e) => {
				if (!by.running.has(item)) return;
				const s = e.originalResponse?.getStatus() || 0;
				if (s === 0 && !(e.message || "").includes("read")) { // the network: for as long as it takes
					waits = true;
					by.running.delete(item); item.state = "ready"; by.ready.add(item);
					draw();
					setTimeout(pump, 5000);
					return;
				}
				item.why = "refused";
				move(item, "need", (s && e.originalResponse.getBody().trim()) || t("unreadable"));
				pump();
			},
			onSuccess: () => {
				if (!by.running.has(item)) return;
				item.id = up.url.split("/").pop();
				move(item, "sent", t("saving"));
				pump();
			},
		}));
		remember(item, true);
		const before = await up.findPreviousUploads().catch(() => []);
		if (before.length) up.resumeFromPreviousUpload(before[0]);
		if (!paused && by.running.has(item)) up.start();
	};

	// finish makes one revision of what was sent whole: at the end, or when it is much.
	const finish = async () => {
		clearTimeout(finishTimer);
		if (finishing || !by.sent.size) return;
		const busy = by.running.size + by.ready.size + by.new.size;
		if (busy && by.sent.size < 100) { finishTimer = setTimeout(() => { finishTimer = 0; flush(); }, 10000); return; }
		await flush();
	};
	const flush = async () => {
		if (finishing) return;
		finishing = true;
		while (by.sent.size) {
			const to = by.sent.values().next().value.to;
			const list = [...by.sent].filter((i) => i.to === to).slice(0, asked);
			const files = list.map((i) => ({ id: i.id, place: i.place, modified: i.file.lastModified, existing: i.existing }));
			const base = Math.max(0, ...list.map((i) => i.base || 0));
			settle(list, await again(() => post(address("finish", to), JSON.stringify({ base, files }), true)));
		}
		finishing = false;
		pump();
	};

	// The panel is drawn at most five times a second, and never more than some rows, however many files.
	let drawing;
	const draw = () => { drawing ||= setTimeout(() => { drawing = 0; paint(); }, 200); };
	const el = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text !== undefined) e.textContent = text; return e; };
	const icon = (name, cls) => {
		const s = document.createElementNS("http://www.w3.org/2000/svg", "svg"), u = document.createElementNS("http://www.w3.org/2000/svg", "use");
		s.setAttribute("class", "icon " + (cls || ""));
		s.setAttribute("aria-hidden", "true");
		u.setAttribute("href", panel.dataset.sprite + "#i-" + name);
		s.append(u);
		return s;
	};
	const kinds = { pdf: "file-type pdf", jpg: "file-image image", jpeg: "file-image image", png: "file-image image", gif: "file-image image", webp: "file-image image", svg: "file-image image", dwg: "file-axis-3d image", mp4: "file-play media", mov: "file-play media", mkv: "file-play media", webm: "file-play media", mp3: "file-music media", wav: "file-music media", zip: "file-archive archive", gz: "file-archive archive", "7z": "file-archive archive", xlsx: "file-spreadsheet table", ods: "file-spreadsheet table", csv: "file-spreadsheet table", docx: "file-text text", odt: "file-text text", md: "file-text text", txt: "file-text text", pptx: "file-chart-column slides", odp: "file-chart-column slides" };
	const name = (n) => {
		const dot = n.lastIndexOf("."), stem = dot > 0 ? n.slice(0, dot) : n, b = el("bdi", "name");
		b.title = n;
		const cut = stem.length > 24 ? stem.length - 10 : stem.length;
		b.append(el("span", "stem", stem.slice(0, cut)));
		if (cut < stem.length) b.append(el("span", "end", stem.slice(cut)));
		if (dot > 0) b.append(el("span", "ext", n.slice(dot)));
		return b;
	};
	const button = (text, act, cls) => { const b = el("button", "button small " + (cls || ""), text); b.type = "button"; b.dataset.act = act; return b; };
	const row = (item) => {
		const li = (item.row ||= el("li"));
		const sign = [item.state, item.text, item.why, item.form].join("|");
		if (li.sign !== sign) {
			li.sign = sign;
			li.item = item;
			li.className = item.state === "need" ? "is-asking" : "";
			const [symbol, color] = (kinds[item.name.split(".").pop().toLowerCase()] || "file other").split(" ");
			const middle = el("div"), parts = [icon(symbol, "kind-" + color), middle];
			middle.append(name(item.name));
			if (item.state === "running" || item.state === "sent") {
				const p = el("div", "uploads-part");
				li.bar = el("progress"); li.bar.max = 1; li.bar.setAttribute("aria-label", item.name);
				li.share = el("small");
				p.append(li.bar, li.share);
				middle.append(p);
				const x = el("button", "icon-button"); x.type = "button"; x.dataset.act = "drop"; x.setAttribute("aria-label", t("cancel") + " " + item.name); x.title = t("cancel"); x.append(icon("x"));
				parts.push(x);
			} else if (item.text) middle.append(el("small", "", item.text));
			if (item.state === "done") parts.push(icon("check", "done"));
			if (item.state === "need") {
				if (!item.form) parts.push(item.why === "taken" ? button(t("choose"), "choose", "quiet") : item.why === "name" ? button(t("rename"), "rename", "quiet") : button(t("retry"), "retry", "quiet"));
				else parts.push(el("span"), form(item));
			}
			li.replaceChildren(...parts);
		}
		if (li.bar && (item.state === "running" || item.state === "sent")) {
			const part = item.size ? item.sent / item.size : 0;
			li.bar.value = part;
			li.share.textContent = window.havre.number(Math.floor(part * 100)) + "\u00a0%";
		}
		return li;
	};
	const form = (item) => {
		const f = el("form", "uploads-choice");
		if (item.form === "rename") {
			const l = el("label"), i = el("input", "input");
			i.name = "rename"; i.value = item.name; i.setAttribute("aria-label", t("rename.label"));
			l.append(i);
			const ok = button(t("rename"), "renamed", "primary");
			ok.type = "submit";
			f.append(l, ok, button(t("skip"), "drop", "quiet"));
			return f;
		}
		f.append(button(t("replace"), "replace"), button(t("both"), "both"), button(t("skip"), "skip", "quiet"));
		const alike = [...by.need].filter((i) => i.why === "taken").length;
		if (alike > 1) {
			const l = el("label"), c = el("input");
			c.type = "checkbox"; c.name = "all";
			l.append(c, document.createTextNode(t("for.all")));
			f.append(l);
		}
		return f;
	};
	const rest = (key, n) => (n > 0 ? [el("li", "rest", t(key, { n }))] : []);
	const first = (set, n, from = 0) => { const out = []; let i = 0; for (const x of set) { if (i++ >= from && out.push(x) === n) break; } return out; };
	const paint = () => {
		if (!panel) return;
		const all = items.length, done = by.done.size + by.gone.size, need = by.need.size, busy = active(), old = remembered().filter((r) => !items.some((i) => i.to === r.to && i.place === r.place));
		let sent = 0;
		for (const i of items) sent += i.sent || 0;
		const now = performance.now();
		rates.push([now, sent]);
		while (rates.length > 2 && now - rates[0][0] > 8000) rates.shift();
		const [t0, s0] = rates[0], rate = now > t0 ? (1000 * (sent - s0)) / (now - t0) : 0;
		const title = paused && busy ? t("paused", { n: all, done: window.havre.number(done) }) : busy ? t("title", { n: all, done: window.havre.number(done) }) : need ? t("attention", { n: need }) : t("finished", { n: done });
		one("[data-title]", panel).textContent = title;
		const figures = [t("sizes", { sent: size(sent), total: size(total) })];
		if (busy && waits) figures.splice(0, 1, t("waits"));
		else if (busy && !paused && rate > 0) {
			figures.push(t("rate", { rate: size(rate) }));
			const left = (total - sent) / rate;
			if (left > 60) figures.push(t("left.minutes", { n: Math.ceil(left / 60) }));
			else if (left > 3) figures.push(t("left.seconds"));
		}
		one("[data-figures]", panel).textContent = all ? figures.join(" · ") : "";
		one(".uploads-bar", panel).value = total ? sent / total : 1;
		one('[data-act="pause"]', panel).hidden = paused || !busy;
		one('[data-act="resume"]', panel).hidden = !paused || !busy;
		panel.classList.toggle("is-finished", !busy);
		const said = one("[data-said]", panel);
		if (said.state !== `${busy > 0}${need}`) { said.state = `${busy > 0}${need}`; said.textContent = title; }
		const n = one("[data-need]", panel);
		n.hidden = !need;
		one("b", n).textContent = t("need", { n: need });
		const refused = [...by.need].filter((i) => i.why === "refused").length;
		one("button", n).hidden = !refused;
		one("span", n).textContent = t("retry.all", { n: refused });
		const c = one("[data-close-ask]", panel);
		c.hidden = !closing;
		one("p", c).textContent = t("close.ask", { n: busy });
		const o = one("[data-again]", panel);
		o.hidden = !old.length;
		if (old.length) one("span", o).textContent = t("again", { n: old.length, name: old[0].place.split("/").pop() });
		const running = [...first(by.running, 6), ...first(by.sent, 3)], waiting = busy - running.length;
		const recent = [...by.done].slice(-12).reverse();
		const rows = [...first(by.need, 60).map(row), ...rest("more.need", need - 60), ...running.map(row), ...rest("waiting", waiting), ...recent.map(row), ...rest("more.done", by.done.size - recent.length)];
		const list = one("[data-rows]", panel);
		const at = document.activeElement;
		rows.forEach((r, i) => { if (list.children[i] !== r) list.insertBefore(r, list.children[i] || null); });
		while (list.children.length > rows.length) list.lastChild.remove();
		if (at && panel.contains(at) && at !== document.activeElement) at.focus({ preventScroll: true });
		if (busy && !paused) draw();
	};

	// What is pressed in the panel.
	const acts = {
		pause: () => { paused = true; by.running.forEach((i) => { if (i.tus) { i.tus.abort().catch(() => {}); by.running.delete(i); i.state = "ready"; by.ready.add(i); } }); draw(); },
		resume: () => { paused = false; rates = []; draw(); pump(); },
		fold: (b) => { const f = panel.classList.toggle("is-folded"), say = t(f ? "unfold" : "fold"); b.setAttribute("aria-expanded", String(!f)); b.setAttribute("aria-label", say); b.title = say; },
		close: () => { if (active()) { closing = true; panel.classList.remove("is-folded"); paint(); one('[data-act="keep"]', panel).focus(); } else clear(); },
		keep: () => { closing = false; paint(); },
		discard: () => clear(),
		"retry-all": () => { [...by.need].forEach((i) => { if (i.why === "refused") retry(i); }); draw(); pump(); },
		retry: (b, i) => { retry(i); pump(); },
		drop: (b, i) => { drop(i); draw(); pump(); },
		choose: (b, i) => { i.form = "choose"; row(i); one("button", i.row.querySelector("form"))?.focus(); draw(); },
		rename: (b, i) => { i.form = "rename"; row(i); const f = one("input", i.row); f.focus(); f.setSelectionRange(0, i.name.lastIndexOf(".") > 0 ? i.name.lastIndexOf(".") : i.name.length); draw(); },
		replace: (b, i) => decide(b, i, "replace"),
		both: (b, i) => decide(b, i, "both"),
		skip: (b, i) => decide(b, i, "skip"),
		again: () => one("[data-files]", panel).click(),
		forget: () => { const mine = new Set(items.map((i) => i.to + "\n" + i.place)); try { localStorage.setItem("havre-uploads", JSON.stringify(remembered().filter((r) => mine.has(r.to + "\n" + r.place)))); } catch { /* nothing to forget */ } if (!items.length) clear(); else paint(); },
	};
	const retry = (i) => { by.need.delete(i); i.form = ""; if (i.again) { i.again = false; i.state = "sent"; by.sent.add(i); } else { i.state = "new"; by.new.add(i); } draw(); };
	const decide = (b, item, how) => {
		const every = one("[name=all]", b.form)?.checked;
		item.form = "";
		if (!every) { choose(item, how); return; }
		policy[item.to] = how;
		[...by.need].filter((i) => i.why === "taken" && i.to === item.to).forEach((i) => { i.form = ""; choose(i, how); });
	};
	const clear = () => {
		[...items].forEach((i) => { if (i.state !== "done") drop(i); });
		items.length = 0;
		Object.values(by).forEach((s) => s.clear());
		total = doneBytes = 0; rates = []; policy = {}; paused = closing = false;
		panel.remove();
	};
	on("click", "#uploads [data-act]", (e, b) => { if (b.type !== "submit") acts[b.dataset.act]?.(b, b.closest("li")?.item); });
	document.addEventListener("submit", (e) => {
		const item = e.target.closest?.("#uploads li")?.item;
		if (!item) return;
		e.preventDefault();
		const to = one("[name=rename]", e.target)?.value.trim();
		if (!to) return;
		item.place = item.place.slice(0, item.place.length - item.name.length) + to;
		item.name = to;
		retry(item);
		pump();
	});

	// Where files go: the directory on the page, or the one of a row.
	const toOf = (target) => {
		const list = target.closest?.("[data-upload-to]") || one("[data-upload-to]");
		if (!list) return null;
		const base = list.dataset.uploadTo.replace(/^\/upload/, "");
		const r = target.closest?.(".fr, .ft"), name = r && list.contains(r) && one(".k-dir", r) && one("[name=item]", r)?.value;
		if (name) return { to: base + "/" + encodeURIComponent(name), mark: r, name };
		return { to: base, mark: list, name: decodeURIComponent(base.split("/").pop()) };
	};
	const choose2 = (dir) => {
		const to = toOf(document.body);
		if (!to) return;
		open().then(() => {
			const input = one(dir ? "[data-dir]" : "[data-files]", panel);
			input.to = to.to;
			if (!items.length) panel.hidden = true;
			input.click();
		});
	};
	on("click", "[data-upload]", (e, b) => { e.preventDefault(); choose2(b.dataset.upload === "dir"); });
	on("change", "#uploads [data-files], #uploads [data-dir]", (e, input) => {
		const list = [...input.files].map((file) => ({ file, place: file.webkitRelativePath || file.name }));
		// Files that were cut before a reload go where they were going.
		const old = remembered();
		const groups = new Map();
		list.forEach((f) => {
			const r = old.find((r) => r.size === f.file.size && r.place.split("/").pop() === f.file.name.normalize("NFC"));
			const to = r ? r.to : input.to || toOf(document.body)?.to;
			if (!to) return;
			if (r) f.place = r.place;
			if (!groups.has(to)) groups.set(to, []);
			groups.get(to).push(f);
		});
		input.value = "";
		groups.forEach((l, to) => add(l, to));
	});

	// entries reads what was dropped, directories with everything in them.
	const walk = async (entry, path) => {
		if (entry.isFile) return [{ file: await new Promise((ok, no) => entry.file(ok, no)), place: path + entry.name }];
		const reader = entry.createReader(), all = [];
		for (;;) {
			const some = await new Promise((ok, no) => reader.readEntries(ok, no)); // a hundred at a time
			if (!some.length) return all.flat();
			all.push(...(await Promise.all(some.map((e) => walk(e, path + entry.name + "/").catch(() => [])))));
		}
	};
	let marked, label;
	const unmark = () => { marked?.classList.remove("drop-here"); label?.remove(); marked = label = null; };
	const holdsFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes("Files");
	document.addEventListener("dragover", (e) => {
		if (!holdsFiles(e)) return;
		e.preventDefault();
		const to = e.target instanceof Element && toOf(e.target);
		e.dataTransfer.dropEffect = to ? "copy" : "none";
		if (!to || marked === to.mark) return;
		open().then(() => {
			if (!items.length && !remembered().length) panel.hidden = true;
			if (label) label.textContent = t("drop", { name: to.name });
		});
		unmark();
		marked = to.mark;
		marked.classList.add("drop-here");
		label = el("p", "drop-name", texts.drop ? t("drop", { name: to.name }) : to.name);
		document.body.append(label);
	});
	document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) unmark(); });
	document.addEventListener("drop", async (e) => {
		if (!holdsFiles(e)) return;
		e.preventDefault();
		unmark();
		const to = e.target instanceof Element && toOf(e.target);
		if (!to) return;
		const entries = [...e.dataTransfer.items].map((i) => i.webkitGetAsEntry?.()).filter(Boolean);
		const list = [];
		if (entries.length) for (const entry of entries) list.push(...(await walk(entry, "").catch(() => [])));
		else [...e.dataTransfer.files].forEach((file) => list.push({ file, place: file.name }));
		if (list.length) add(list, to.to);
	});
	document.addEventListener("paste", (e) => {
		const files = [...(e.clipboardData?.files || [])];
		if (!files.length || e.target.matches?.("input, textarea")) return;
		const to = toOf(document.body);
		if (to) add(files.map((file) => ({ file, place: file.name })), to.to);
	});

	// While something is sent, links exchange the content of the page instead of leaving it.
	document.addEventListener("click", (e) => {
		const a = e.target instanceof Element && e.target.closest("a[href]");
		if (!a || !active() || e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey || a.target || a.hasAttribute("download") || a.origin !== location.origin || a.search.includes("download") || (a.pathname === location.pathname && a.hash)) return;
		e.preventDefault();
		htmx.ajax("GET", a.href, { target: "#main", swap: "innerHTML show:window:top" }).then(() => {
			history.pushState({ uploads: true }, "", a.href);
			all('.side [aria-current="page"]').forEach((i) => i.removeAttribute("aria-current"));
			all(".side a.item").forEach((i) => { if (i.pathname === a.pathname) i.setAttribute("aria-current", "page"); });
			one("#main h1")?.focus();
		});
	});
	addEventListener("popstate", (e) => {
		if (active() && !e.state?.htmx) htmx.ajax("GET", location.href, { target: "#main", swap: "innerHTML" });
	});
	addEventListener("beforeunload", (e) => { if (active()) e.preventDefault(); });
	document.addEventListener("htmx:historyRestore", () => { if (panel && items.length) document.body.append(panel); });
	addEventListener("online", () => { waits = false; pump(); });
	document.addEventListener("DOMContentLoaded", () => { if (one("[data-upload-to]") && remembered().length) open().then(paint); });
	window.havre.upload = add;
})();
