// Stands in for a worker of the fuzzer, and breaks down at its first input in the way that its target is called.
import { writeFileSync } from 'node:fs';

const { target, progress } = JSON.parse(process.argv[2]);
writeFileSync(progress, Buffer.alloc(8));
if (target === 'die') process.kill(process.pid, 'SIGKILL');
if (target === 'hang') for (;;);
const kept = [];
setInterval(() => kept.push(Buffer.alloc(1 << 26, 1)), 10);
