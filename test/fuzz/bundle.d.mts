// Types of bundle.mjs, which is no TypeScript because it is what makes TypeScript run.
import type { build } from 'esbuild';

export declare function bundleFuzzer(esbuild: typeof build, directory: string): Promise<void>;
