// The tests that bring up docker-compose.yml for real (`npm run test:compose`), on a container engine of their own.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/**/*.compose.test.ts'],
    testTimeout: 240_000,
    // The base image and the fleet's images are made before the first test.
    hookTimeout: 1_200_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
