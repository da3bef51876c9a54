// The agent's version, as Describe tells it; a test holds it equal to package.json's.
export const AGENT_VERSION = '0.1.0';
