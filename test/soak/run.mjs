// Runs the soak with this program's words: what `npm run soak` starts.
import { loadBundled } from '../bundled-program.mjs';

const { soak } = await loadBundled(new URL('soak-main.ts', import.meta.url));
process.exitCode = await soak(process.argv.slice(2), (line) => console.log(line));
