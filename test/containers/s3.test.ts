/** `s3:` against moto, which checks signatures: objects, folders, resumed and served. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport, startModelport } from '../start-modelport.ts';
import { freePort, prepareTools, until } from './tools.ts';

let moto = '';
const missing = prepareTools(['python3']) ?? installMoto();

/** Into a folder of its own; the reason why that can't be, else undefined. */
function installMoto(): string | undefined {
  const place = join(process.env['XDG_CACHE_HOME'] ?? join(tmpdir(), 'modelport-test-cache'), 'moto-5.2.5');
  try {
    execFileSync(join(place, 'bin/moto_server'), ['--help'], { stdio: 'ignore' });
  } catch {
    try {
      rmSync(place, { recursive: true, force: true });
      execFileSync('python3', ['-m', 'venv', place], { stdio: 'pipe' });
      execFileSync(join(place, 'bin/pip'), ['install', '-q', '--disable-pip-version-check', 'moto[s3,server]==5.2.5'], { stdio: 'pipe', timeout: 300_000 });
    } catch (error) {
      return `moto can't be installed: ${(error as Error).message.split('\n')[0]}`;
    }
  }
  moto = join(place, 'bin');
  return undefined;
}


/** Makes a user, a bucket and its objects; the checks of signatures begin after that. Prints the user's keys. */
const prepare = `
import boto3, json, sys
url, folder = sys.argv[1:]
root = dict(endpoint_url=url, region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='y')
iam, s3 = boto3.client('iam', **root), boto3.client('s3', **root)
iam.create_user(UserName='reader')
iam.put_user_policy(UserName='reader', PolicyName='all', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}]}))
key = iam.create_access_key(UserName='reader')['AccessKey']
s3.create_bucket(Bucket='models')
s3.put_object(Bucket='models', Key='team/add/model.onnx', Body=open(folder + '/one.onnx', 'rb').read(), ChecksumAlgorithm='SHA256')
s3.put_object(Bucket='models', Key='odd/a b+(c)!.bin', Body=b'odd')
for number in range(3):
    s3.put_object(Bucket='models', Key=f'many/part-{number}.bin', Body=str(number).encode())
print(json.dumps({'id': key['AccessKeyId'], 'secret': key['SecretAccessKey']}))
`;
const actions = 9;

describe.skipIf(missing !== undefined)(`an object store${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let server: ChildProcess;
  let environment: Record<string, string>;
  const modelport = (args: readonly string[], more: Record<string, string> = {}) => runModelport(args, { cwd: folder, environment: { ...environment, ...more } });
  const python = (code: string, ...args: string[]): string => execFileSync(join(moto, 'python'), ['-c', code, ...args], { encoding: 'utf8' });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-s3-'));
    mkdirSync(join(folder, '.aws'));
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'one.onnx'));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    server = spawn(join(moto, 'moto_server'), ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore', env: { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: String(actions) } });
    await until('moto', () => fetch(`${url}/moto-api/`).then(({ ok }) => ok, () => false), 60_000);
    const { id, secret } = JSON.parse(python(prepare, url, folder)) as { id: string; secret: string };
    writeFileSync(join(folder, '.aws/credentials'), `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n[wrong]\naws_access_key_id = ${id}\naws_secret_access_key = another\n`);
    environment = { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache'), AWS_ENDPOINT_URL_S3: url, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
  }, 360_000);
  afterAll(() => {
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives objects and folders, whatever they are called', async () => {
    expect(await modelport(['pull', 's3://models/team/add/model.onnx', '-o', 'one'])).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'one/model.onnx')).equals(readFileSync(join(folder, 'one.onnx')))).toBe(true);
    expect(await modelport(['pull', 's3://models/many/', '-o', 'many'])).toMatchObject({ code: 0 });
    expect(readdirSync(join(folder, 'many')).sort()).toEqual(['part-0.bin', 'part-1.bin', 'part-2.bin']);
    expect(await modelport(['pull', 's3://models/odd/a b+(c)!.bin', '-o', 'odd'])).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'odd/a b+(c)!.bin'), 'utf8')).toBe('odd');
  }, 60_000);

  it('refuses a wrong key, nobody, and what is not there, in words', async () => {
    const said = async (reference: string, more: Record<string, string> = {}): Promise<string> => {
      const { code, stderr } = await modelport(['pull', reference, '-o', 'nothing'], more);
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await said('s3://models/team/add/model.onnx', { AWS_PROFILE: 'wrong' })).toContain('is refused');
    expect(await said('s3://models/none.onnx')).toContain('there is no s3://models/none.onnx');
    expect(await said('s3://nobodys-bucket/')).toContain('there is no bucket nobodys-bucket');
  }, 60_000);

  it('is served from, and an object that is replaced is a new version', async () => {
    const running = await startModelport({ arguments: ['s3://models/team/add/model.onnx', '--model-control-mode', 'poll', '--repository-poll-secs', '1'], environment, cwd: folder });
    const versions = async (): Promise<unknown> => ((await (await fetch(`${running.url}/v2/models/add`)).json()) as { versions: unknown }).versions;
    try {
      expect(await versions()).toEqual(['1']);
      const [, id, secret] = /id = (\S+)\n.*key = (\S+)/.exec(readFileSync(join(folder, '.aws/credentials'), 'utf8'))!;
      python(`import boto3, sys\nboto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3]).put_object(Bucket='models', Key='team/add/model.onnx', Body=open(sys.argv[4], 'rb').read())`, environment['AWS_ENDPOINT_URL_S3']!, id!, secret!, join(root, 'test/fixtures/onnx/scaled.onnx'));
      await until('version 2', async () => JSON.stringify(await versions()) === '["2"]');
    } finally {
      expect(await running.stop()).toBe(0);
    }
  }, 90_000);
});
