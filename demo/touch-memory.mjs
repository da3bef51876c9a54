// A program with something to find, for node: buffers that are made, touched and dropped. Ends by itself after ARG seconds.
const PAGE = 4096;
process.title = 'touch-memory';
const end = Date.now() + 1000 * Number(process.argv[2] ?? 60);

function touchPages(buffer) {
  for (let at = 0; at < buffer.length; at += PAGE) buffer[at] += 1;
}

function loadImage() {
  touchPages(new Uint8Array(300 * PAGE));
}

function renderPage() {
  loadImage();
  const text = Array.from({ length: 2000 }, (_, i) => `row ${i} of ${Math.random()}`);
  return text.join('\n').length;
}

function serveRequest() {
  renderPage();
  if (Date.now() < end) setTimeout(serveRequest, 50);
}

serveRequest();
