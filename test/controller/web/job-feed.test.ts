// What is kept of a running job: the newest events, within bounds.
import { expect, it } from 'vitest';
import { JobFeed } from '../../../controller/web/job-feed.js';

const wave = (number: number) => ({ kind: 'wave', wave: number, of: 9, hosts: 1 }) as const;

it('gives what came after a number', () => {
  const feed = new JobFeed('f');
  for (const number of [1, 2, 3]) feed.add(wave(number));
  expect(feed.after(0)?.map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(feed.after(2)?.map(({ data }) => JSON.parse(data))).toEqual([{ wave: 3, of: 9, hosts: 1 }]);
  expect(feed.after(3)).toEqual([]);
  expect(feed.after(4)).toBeUndefined();
});

it('forgets the oldest, and says that they are gone', () => {
  const feed = new JobFeed('f');
  for (let number = 1; number <= 5000; number++) feed.add(wave(number));
  expect(feed.last).toBe(5000);
  expect(feed.after(0)).toBeUndefined();
  expect(feed.after(1000)).toHaveLength(4000);
});

it('keeps few long events', () => {
  const feed = new JobFeed('f');
  const failure = { code: 'lost', message: 'x'.repeat(1024 ** 2), remedy: '' } as const;
  for (let i = 0; i < 10; i++) feed.add({ kind: 'failure', failure });
  expect(feed.after(6)).toBeUndefined();
  expect(feed.after(7)).toHaveLength(3);
});

it('wakes who waits, at an event and at the end', async () => {
  const feed = new JobFeed('f');
  const first = feed.changed;
  feed.add(wave(1));
  await first;
  const second = feed.changed;
  feed.end();
  await second;
  expect(feed.isOver).toBe(true);
});
