// The program inside the SVG flame graph: hover, zoom, search, permalinks, keyboard. Plain script, no library, runs in any browser.
//
// It reads what the drawing says of itself (data-start, data-weight, data-depth: exact numbers) and lays frames out anew
// for the zoomed one; it never computes with pixels. `String.raw` keeps its backslashes; it may not contain backticks.

export const FLAME_GRAPH_SCRIPT = String.raw`
(() => {
  'use strict';
  const svg = document.currentScript.ownerSVGElement;
  const part = (id) => svg.querySelector('#' + id);
  const [details, matched, resetButton, searchButton, caseButton] =
    ['details', 'matched', 'reset', 'search', 'case'].map(part);
  const searchBox = part('search-box');
  const term = part('term');
  const facts = svg.dataset;
  const fontSize = Number(facts.fontSize);
  const hint = details.textContent;
  const PAD = 10;

  // One entry per drawn frame, in depth-first order: a frame comes before those it called.
  const frames = Array.from(part('frames').children, (group) => {
    const title = group.querySelector('title').textContent;
    const rect = group.querySelector('rect');
    const { start, weight, depth } = group.dataset;
    return {
      group, rect, title, text: group.querySelector('text'),
      name: title.slice(0, title.lastIndexOf(' (')),
      start: Number(start), weight: Number(weight), end: Number(start) + Number(weight), depth: Number(depth),
      isShown: true,
    };
  });
  const indexOf = new Map(frames.map((frame, index) => [frame.group, index]));
  let width = svg.viewBox.baseVal.width;
  let zoomed = 0;
  let cursor = 0;
  let ignoresCase = false;
  let searched = '';
  const charWidth = measureChar();

  function measureChar() {
    const sample = 'abcdefghijklmnopqrstuvwxyz_:0123456789';
    details.textContent = sample;
    const length = details.getComputedTextLength();
    details.textContent = hint;
    return length > 0 ? length / sample.length : fontSize * 0.6;
  }

  /** As much of the text as fits, with two dots for the rest; nothing when that would be less than a letter. */
  function fit(text, pixels) {
    const room = Math.floor(pixels / charWidth);
    if (text.length <= room) return text;
    return room < 3 ? '' : text.slice(0, room - 2) + '..';
  }

  /** Lay every frame out for the zoomed one: its callers at full width and faded, its callees scaled, all others hidden. */
  function draw() {
    const view = frames[zoomed];
    const full = width - 2 * PAD;
    const scale = full / (view.weight || 1);
    for (const frame of frames) {
      const isCaller = frame.depth < view.depth && frame.start <= view.start && frame.end >= view.end;
      const isInside = frame.depth >= view.depth && frame.start >= view.start && frame.end <= view.end;
      frame.isShown = isCaller || isInside;
      frame.group.classList.toggle('hide', !frame.isShown);
      frame.group.classList.toggle('parent', isCaller);
      if (!frame.isShown) continue;
      const x = isCaller ? PAD : PAD + (frame.start - view.start) * scale;
      const pixels = isCaller || frame === view ? full : frame.weight * scale;
      frame.rect.setAttribute('x', x.toFixed(2));
      frame.rect.setAttribute('width', pixels.toFixed(2));
      label(frame, x, pixels);
    }
    resetButton.classList.toggle('hide', zoomed === 0);
    showMatches();
  }

  function label(frame, x, pixels) {
    const text = fit(frame.name, pixels - 6);
    if (text === '' && !frame.text) return;
    if (!frame.text) {
      frame.text = document.createElementNS(svg.namespaceURI, 'text');
      const height = Number(frame.rect.getAttribute('height'));
      frame.text.setAttribute('y', Number(frame.rect.getAttribute('y')) + height / 2 + fontSize * 0.35);
      frame.group.append(frame.text);
    }
    frame.text.textContent = text;
    frame.text.setAttribute('x', (x + 3).toFixed(2));
  }

  function zoomTo(index) {
    zoomed = index;
    draw();
    keepState();
  }

  function show(text) {
    const taken = matched.textContent === '' ? 0 : matched.getComputedTextLength() + 20;
    details.textContent = fit(text, width - 2 * PAD - taken);
  }

  function describe(frame) {
    show(facts.nameType + ': ' + frame.title);
  }

  // Search

  function search(pattern) {
    searched = pattern;
    let expression;
    try {
      expression = pattern === '' ? undefined : new RegExp(pattern, ignoresCase ? 'i' : '');
      term.classList.remove('wrong');
    } catch (error) {
      term.classList.add('wrong');
      show(error.message);
      return;
    }
    for (const frame of frames) {
      frame.isMatch = expression !== undefined && expression.test(frame.name);
      frame.group.classList.toggle('match', frame.isMatch);
    }
    searchButton.textContent = searched === '' ? 'Search' : 'Reset Search';
    searchButton.classList.toggle('on', searched !== '');
    showMatches();
    keepState();
  }

  /** What share of the zoomed frame is inside matching frames. A match inside another one counts once. */
  function showMatches() {
    matched.textContent = '';
    if (searched === '') return;
    const view = frames[zoomed];
    let sum = 0;
    let coveredTo = -1;
    for (const frame of frames) {
      // Depth-first order: what lies before the end of the last counted match is inside it.
      const isInView = frame.isShown && frame.isMatch;
      if (!isInView || frame.start < coveredTo) continue;
      sum += Math.min(frame.end, view.end) - Math.max(frame.start, view.start);
      coveredTo = frame.end;
    }
    const percent = view.weight === 0 ? 0 : (100 * sum) / view.weight;
    const count = String(sum).replace(/\B(?=(\d{3})+$)/g, ',');
    matched.textContent = 'Matched: ' + percent.toFixed(percent === 100 ? 0 : 1) + '% (' + count + ' ' + facts.countName + ')';
  }

  function openSearch() {
    searchBox.setAttribute('x', Math.max(PAD, width - 60 - 13 * charWidth - 220));
    searchBox.classList.remove('hide');
    term.value = searched;
    term.focus();
    term.select();
  }

  function closeSearch() {
    searchBox.classList.add('hide');
    part('frames').focus({ preventScroll: true });
  }

  function clearSearch() {
    search('');
    closeSearch();
  }

  function toggleCase() {
    ignoresCase = !ignoresCase;
    caseButton.classList.toggle('on', ignoresCase);
    caseButton.setAttribute('aria-pressed', String(ignoresCase));
    search(searched);
  }

  // Permalinks: #x=START&y=DEPTH of the zoomed frame, s=PATTERN, i=1 without regard to case

  function keepState() {
    const state = new URLSearchParams();
    if (zoomed !== 0) {
      state.set('x', frames[zoomed].start);
      state.set('y', frames[zoomed].depth);
    }
    if (searched !== '') state.set('s', searched);
    if (ignoresCase) state.set('i', '1');
    const address = String(state) === '' ? location.pathname + location.search : '#' + state;
    try {
      history.replaceState(history.state, '', address);
    } catch {
      // A document without an address of its own (data:, srcdoc) has no permalinks; all else works.
    }
  }

  function restoreState() {
    const state = new URLSearchParams(location.hash.length > 1 ? location.hash.slice(1) : location.search);
    const wanted = frames.findIndex(
      (frame) => frame.start === Number(state.get('x')) && frame.depth === Number(state.get('y')),
    );
    ignoresCase = state.get('i') === '1';
    caseButton.classList.toggle('on', ignoresCase);
    zoomed = Math.max(0, wanted);
    draw();
    search(state.get('s') ?? '');
  }

  // Keyboard: arrows walk the frames, Enter zooms

  function walk(key) {
    const deeper = facts.inverted === '1' ? 'ArrowDown' : 'ArrowUp';
    const depth = frames[cursor].depth;
    const isAt = (wanted) => (frame) => frame.isShown && frame.depth === wanted;
    let next = -1;
    if (key === 'ArrowRight') next = frames.findIndex((frame, i) => i > cursor && isAt(depth)(frame));
    else if (key === 'ArrowLeft') next = frames.findLastIndex((frame, i) => i < cursor && isAt(depth)(frame));
    else if (key === deeper) next = isAt(depth + 1)(frames[cursor + 1] ?? {}) ? cursor + 1 : -1;
    else next = frames.findLastIndex((frame, i) => i < cursor && isAt(depth - 1)(frame));
    if (next < 0) return;
    frames[cursor].group.classList.remove('cursor');
    cursor = next;
    frames[cursor].group.classList.add('cursor');
    describe(frames[cursor]);
  }

  const frameAt = (event) => indexOf.get(event.target.closest?.('#frames > g'));

  svg.addEventListener('click', (event) => {
    const index = frameAt(event);
    if (index !== undefined) zoomTo(index);
    else if (event.target === resetButton) zoomTo(0);
    else if (event.target === caseButton) toggleCase();
    else if (event.target === searchButton) searched === '' ? openSearch() : clearSearch();
  });
  svg.addEventListener('mouseover', (event) => {
    const index = frameAt(event);
    if (index !== undefined) describe(frames[index]);
  });
  svg.addEventListener('mouseout', (event) => {
    if (frameAt(event) !== undefined) show(hint);
  });
  term.addEventListener('input', () => search(term.value));
  window.addEventListener('keydown', (event) => {
    const isTyping = event.target === term;
    if (event.key === 'F3' || (event.ctrlKey && event.key === 'f')) {
      // Pressed again in the box, the browser's own search opens.
      if (isTyping) return;
      openSearch();
    } else if (event.ctrlKey && event.key === 'i') toggleCase();
    else if (event.key === 'Escape') searched !== '' || isTyping ? clearSearch() : zoomTo(0);
    else if (isTyping && event.key === 'Enter') closeSearch();
    else if (isTyping) return;
    else if (event.key === 'Enter' || event.key === ' ') {
      if (event.target.getAttribute?.('role') === 'button') event.target.dispatchEvent(new MouseEvent('click', { bubbles: true }));
      else if (event.target === part('frames')) zoomTo(cursor);
      else return;
    } else if (/^Arrow/.test(event.key) && event.target === part('frames')) walk(event.key);
    else return;
    event.preventDefault();
  });
  window.addEventListener('hashchange', restoreState);

  // Only where the picture is the whole document: it fills the window, and its controls stay in sight

  function fillWindow() {
    const space = document.documentElement.clientWidth;
    if (facts.fluid !== '1' || !(space > 0) || space === width) return;
    width = Math.max(300, space);
    svg.setAttribute('width', width);
    svg.setAttribute('viewBox', '0 0 ' + width + ' ' + svg.viewBox.baseVal.height);
    draw();
  }

  function floatControls() {
    const below = Math.max(0, svg.viewBox.baseVal.height - window.scrollY - window.innerHeight);
    float('header', window.scrollY);
    float('footer', -below);
  }

  function float(id, distance) {
    part(id).setAttribute('transform', 'translate(0 ' + distance + ')');
    part(id).classList.toggle('afloat', distance !== 0);
  }

  if (svg === document.documentElement) {
    fillWindow();
    if (facts.inverted === '0') window.scrollTo(0, svg.viewBox.baseVal.height);
    floatControls();
    window.addEventListener('resize', () => {
      fillWindow();
      floatControls();
    });
    window.addEventListener('scroll', floatControls);
  }
  restoreState();
})();
`;
