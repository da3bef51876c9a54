// JIT-compiled JavaScript below named functions; run it with --perf-basic-prof --interpreted-frames-native-stack.
//
//   node spin.mjs MILLISECONDS
const milliseconds = Number(process.argv[2] ?? 1000);
const end = Date.now() + milliseconds;

function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

class Parser {
  parse(text) {
    return JSON.parse(text).rows.map((row) => row.value * 2);
  }
  get total() {
    return this.parse(text).reduce((sum, value) => sum + value, 0);
  }
}

const text = JSON.stringify({ rows: Array.from({ length: 200 }, (_, i) => ({ value: i, name: `row ${i}` })) });

function matchNames() {
  return /"name":"row (\d+)"/.exec(text)?.[1];
}

function fillBuffers() {
  return Buffer.alloc(1 << 20, 'x').length;
}

let result = 0;
while (Date.now() < end) {
  result += fibonacci(20) + new Parser().total + Number(matchNames()) + fillBuffers();
}
process.stdout.write(`pid ${process.pid}\n${result}\n`);
