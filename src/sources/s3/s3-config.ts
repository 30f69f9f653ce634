/** Who asks, where and how: the variables and files that AWS's own tools read. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { Credentials } from './signature.ts';

export interface S3Config {
  /** Undefined: anonymous. */
  readonly credentials: Credentials | undefined;
  readonly region: string;
  /** Undefined: Amazon's own. Without a slash at the end. */
  readonly endpoint: string | undefined;
  /** Whether buckets are part of the host's name (`virtual`) or of the path; `auto` where nobody says it. */
  readonly addressing: 'path' | 'virtual' | 'auto';
}

const maximumFileBytes = 1 << 20;

/** Throws `INVALID_USAGE` where the profile that is asked for is not there. */
export async function readS3Config(environment: NodeJS.ProcessEnv): Promise<S3Config> {
  const home = environment['HOME'] ?? homedir();
  const given = environment['AWS_PROFILE'] ?? environment['AWS_DEFAULT_PROFILE'];
  const profile = given ?? 'default';
  const credentialsFile = await readProfiles(environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(home, '.aws', 'credentials'));
  const configFile = await readProfiles(environment['AWS_CONFIG_FILE'] ?? join(home, '.aws', 'config'));
  const secrets = credentialsFile.get(profile);
  const settings = configFile.get(profile === 'default' ? 'default' : `profile ${profile}`) ?? configFile.get(profile);
  if (given !== undefined && secrets === undefined && settings === undefined) throw new ModelportError('INVALID_USAGE', `AWS_PROFILE is ${given}, and no such profile is in ~/.aws`);
  const value = (name: string): string | undefined => nonEmpty(settings?.get(name)) ?? nonEmpty(secrets?.get(name));
  const services = configFile.get(`services ${value('services') ?? ''}`);
  const style = environment['AWS_S3_ADDRESSING_STYLE'] ?? value('s3.addressing_style') ?? value('addressing_style');
  return {
    credentials: fromEnvironment(environment, given) ?? fromProfile(secrets) ?? fromProfile(settings),
    region: nonEmpty(environment['AWS_REGION']) ?? nonEmpty(environment['AWS_DEFAULT_REGION']) ?? value('region') ?? 'us-east-1',
    endpoint: (nonEmpty(environment['AWS_ENDPOINT_URL_S3']) ?? nonEmpty(environment['AWS_ENDPOINT_URL']) ?? nonEmpty(services?.get('s3.endpoint_url')) ?? value('s3.endpoint_url') ?? value('endpoint_url'))?.replace(/\/+$/, ''),
    addressing: style === 'path' || style === 'virtual' ? style : 'auto',
  };
}

/** A profile that a person names wins over keys that happen to be in the environment. */
function fromEnvironment(environment: NodeJS.ProcessEnv, profile: string | undefined): Credentials | undefined {
  const accessKeyId = nonEmpty(environment['AWS_ACCESS_KEY_ID']);
  const secretAccessKey = nonEmpty(environment['AWS_SECRET_ACCESS_KEY']);
  if (profile !== undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: nonEmpty(environment['AWS_SESSION_TOKEN']) };
}

function fromProfile(values: ReadonlyMap<string, string> | undefined): Credentials | undefined {
  const accessKeyId = nonEmpty(values?.get('aws_access_key_id'));
  const secretAccessKey = nonEmpty(values?.get('aws_secret_access_key'));
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: nonEmpty(values?.get('aws_session_token')) };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}

/** Sections and their values; a value with indented lines below it is `name.member`. Nothing is refused: a file that is not there is empty. */
async function readProfiles(path: string): Promise<Map<string, Map<string, string>>> {
  const text = (await readFile(path, 'utf8').catch(() => '')).slice(0, maximumFileBytes);
  return parseProfiles(text);
}

export function parseProfiles(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let parent = '';
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const head = /^\[\s*([^\]]*?)\s*\]/.exec(line);
    if (head !== null) {
      const name = head[1]!.replace(/\s+/g, ' ');
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const equals = line.indexOf('=');
    if (section === undefined || equals < 0) continue;
    const name = line.slice(0, equals).trim().toLowerCase();
    const content = line.slice(equals + 1).trim().replace(/\s[#;].*$/, '');
    if (/^\s/.test(line) && parent !== '') section.set(`${parent}.${name}`, content);
    else {
      section.set(name, content);
      parent = content === '' ? name : '';
    }
  }
  return sections;
}
