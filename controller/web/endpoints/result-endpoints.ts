// Routes that give results: profiles chunk by chunk as on the wire, everything else as JSON, files as they are.
import { z } from 'zod';
import type { Profile } from '../../../profile/profile.js';
import type { ArtifactPart } from '../../../proto/capture.js';
import { encodeProfile } from '../../../proto/profile-codec.js';
import { frameOf, PROFILE_TYPE } from '../../http-api/frames.js';
import type { Route } from '../../http-api/routes.js';
import { type Endpoint, endpoint, json, type Reply } from '../endpoint.js';
import { jobParameters } from './job-endpoints.js';

type ResultRoute = Extract<
  Route,
  `${string}/profile` | `${string}/series` | `${string}/histograms` | `${string}/text` | `${string}/artifact`
>;

const host = z.string().min(1).max(253);
const maybeHost = z.strictObject({ host: host.optional() });

export function resultEndpoints(): Record<ResultRoute, Endpoint> {
  return {
    'GET /v1/jobs/:job/profile': endpoint({
      summary: 'The merged profile, or that of one host: chunks in capture events, each after its length in 4 bytes.',
      ...{ parameters: jobParameters, query: maybeHost },
      answer: async ({ parameters, query }, { app }) => {
        const profile = await app.profile(parameters.job, query.host);
        if (profile === undefined) return { kind: 'nothing' };
        return {
          kind: 'bytes',
          mediaType: PROFILE_TYPE,
          source: framesOf(profile),
          trailerNames: [],
          trailers: () => ({}),
        };
      },
    }),
    'GET /v1/jobs/:job/series': endpoint({
      summary: 'Counters over time, of all hosts or of one.',
      ...{ parameters: jobParameters, query: maybeHost },
      answer: async ({ parameters, query }, { app }) => {
        const series = await app.series(parameters.job, query.host);
        if (series === undefined) return { kind: 'nothing' };
        return json({ series });
      },
    }),
    'GET /v1/jobs/:job/histograms': endpoint({
      summary: 'Histograms over time, of all hosts or of one.',
      ...{ parameters: jobParameters, query: maybeHost },
      answer: async ({ parameters, query }, { app }) => {
        const histograms = await app.histograms(parameters.job, query.host);
        if (histograms === undefined) return { kind: 'nothing' };
        return json({ histograms });
      },
    }),
    'GET /v1/jobs/:job/text': endpoint({
      summary: 'What the script of one host printed besides.',
      ...{ parameters: jobParameters, query: z.strictObject({ host }) },
      answer: async ({ parameters, query }, { app }) => json({ lines: await app.text(parameters.job, query.host) }),
    }),
    'GET /v1/jobs/:job/artifact': endpoint({
      summary: 'A raw file of a capture, from an offset on; its SHA-256 and size come in trailers.',
      parameters: jobParameters,
      query: z.strictObject({
        host,
        name: z.string().min(1).max(128),
        offset: z.coerce.number().int().min(0).default(0),
      }),
      answer: async ({ parameters, query }, { app, signal }) =>
        artifact(app.fetchArtifact(parameters.job, query.host, query.name, query.offset, signal)),
    }),
  };
}

async function* framesOf(profile: Profile): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const chunk of encodeProfile(profile)) yield frameOf(chunk, ++position);
}

function artifact(parts: AsyncIterable<ArtifactPart>): Reply {
  let end: ArtifactPart['end'];
  async function* source(): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      if (part.data.length > 0) yield part.data;
      end = part.end;
    }
  }
  const trailers = (): Record<string, string> =>
    end === undefined ? {} : { 'perftrawl-sha256': end.sha256, 'perftrawl-size': String(end.size) };
  return {
    kind: 'bytes',
    mediaType: 'application/octet-stream',
    source: source(),
    trailerNames: ['perftrawl-sha256', 'perftrawl-size'],
    trailers,
  };
}
