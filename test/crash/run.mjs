// Runs the crash campaign with this program's words: what `npm run crash` starts.
import { loadBundled } from '../bundled-program.mjs';

const { crash } = await loadBundled(new URL('crash-main.ts', import.meta.url));
process.exitCode = await crash(process.argv.slice(2), (line) => console.log(line));
