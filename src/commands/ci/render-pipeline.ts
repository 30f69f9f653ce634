/** The steps as the files of three systems. */
import type { PipelineSystem } from '../ci.ts';
import type { Pipeline } from './pipeline-steps.ts';

export const pipelineFiles: Readonly<Record<PipelineSystem, string>> = { github: '.github/workflows/models.yml', gitlab: '.gitlab-ci.yml', jenkins: 'Jenkinsfile' };

export function renderPipeline(system: PipelineSystem, pipeline: Pipeline): string {
  return { github, gitlab, jenkins }[system](pipeline);
}

/** Actions by the commit of their version: tags can be moved. */
const actions = {
  checkout: 'actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0',
  node: 'actions/setup-node@a0853c24544627f65ddf259abe73b1d18a591444 # v5.0.0',
  upload: 'actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2',
};

const head = (lead: string, more: readonly string[]): string => ['Tests models, builds an image of them, and brings it where it runs.', ...more, 'Written by `modelport ci`; it is yours now.'].map((line) => `${lead} ${line}\n`).join('');

const indent = (text: string, by: number): string => text.split('\n').map((line) => `${' '.repeat(by)}${line}`).join('\n');

function github(pipeline: Pipeline): string {
  const { install, testService, testModels, compare, login, build, push, deploy, image, registry, branch, node } = pipeline;
  const run = (name: string, command: string, more = ''): string => `      - name: ${name}\n${more}        run: |\n${indent(command, 10)}\n`;
  const own = registry === 'ghcr.io';
  const credentials = own
    ? '          REGISTRY_USER: ${{ github.actor }}\n          REGISTRY_PASSWORD: ${{ github.token }}\n'
    : '          REGISTRY_USER: ${{ secrets.REGISTRY_USER }}\n          REGISTRY_PASSWORD: ${{ secrets.REGISTRY_PASSWORD }}\n';
  const prepare = (more = ''): string => `      - uses: ${actions.checkout}
        with:
          persist-credentials: false
${more}      - uses: ${actions.node}
        with:
          node-version: ${node}
${run('Install', install)}`;
  return `${head('#', [`Actions are pinned by commit; Dependabot or Renovate keep them up to date.`, ...(own ? [] : [`Wants the secrets REGISTRY_USER and REGISTRY_PASSWORD of ${registry}.`]), ...(deploy === undefined ? [] : ['Wants the secret KUBECONFIG, of an account that may do nothing but deploy into this namespace.'])])}name: Models

on:
  push:
    branches: [${branch}]
  pull_request:

# A newer push to a change ends the run of the older one; runs of the main branch come one after the other.
concurrency:
  group: models-\${{ github.ref }}
  cancel-in-progress: \${{ github.event_name == 'pull_request' }}

# Nothing but what a job asks for.
permissions: {}

env:
  TAG: \${{ github.sha }}

jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
    steps:
${prepare()}${testService === undefined ? '' : run('Test services', testService)}${testModels === undefined ? '' : run('Test models', testModels)}${
    compare === undefined
      ? ''
      : `      - name: Take the main branch's models
        if: github.event_name == 'pull_request'
        uses: ${actions.checkout}
        with:
          ref: \${{ github.base_ref }}
          path: before
          persist-credentials: false
${run('Compare with the main branch', compare, "        if: github.event_name == 'pull_request'\n")}      - name: Keep what was found out
        if: always()
        uses: ${actions.upload}
        with:
          name: report
          path: report*
          if-no-files-found: ignore
`
  }${run('Build', build)}
${
    compare === undefined
      ? ''
      : `  # Apart from the job that runs code of the change: this one may write comments. Changes from forks have no such right and are told in the run alone.
  comment:
    needs: test
    if: always() && github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      pull-requests: write
    steps:
      - name: Comment on the change
        env:
          GH_TOKEN: \${{ github.token }}
          GH_REPO: \${{ github.repository }}
          NUMBER: \${{ github.event.pull_request.number }}
          RUN: \${{ github.run_id }}
        run: |
          gh run download "$RUN" --name report
          cat report*.md > comment.md
          gh pr comment "$NUMBER" --body-file comment.md --edit-last --create-if-none

`
  }  push:
    needs: test
    if: github.event_name == 'push'
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
${own ? '      packages: write\n' : ''}    steps:
${prepare()}${run('Build', build)}${run(`Log in to ${registry}`, login, `        env:\n${credentials}`)}${run(`Push ${image}`, push)}${
    deploy === undefined
      ? ''
      : `
  deploy:
    needs: push
    # Who must agree, and when, is said in the settings of this environment.
    environment: production
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
    steps:
${prepare()}${run('Deploy', `printf %s "$KUBECONFIG_CONTENT" > "$RUNNER_TEMP/kubeconfig"\nKUBECONFIG="$RUNNER_TEMP/kubeconfig" ${deploy}`, '        env:\n          KUBECONFIG_CONTENT: ${{ secrets.KUBECONFIG }}\n')}`
  }`;
}

function gitlab(pipeline: Pipeline): string {
  const { install, testService, testModels, compare, login, build, push, deploy, registry, branch, node } = pipeline;
  const list = (commands: readonly (string | undefined)[]): string => commands.flatMap((command) => (command === undefined ? [] : command.split('\n'))).map((line) => `    - ${JSON.stringify(line)}\n`).join('');
  const own = registry === 'registry.gitlab.com';
  const change = '$CI_PIPELINE_SOURCE == "merge_request_event"';
  const main = `$CI_COMMIT_BRANCH == "${branch}"`;
  return `${head('#', [...(own ? [] : [`Wants the variables REGISTRY_USER and REGISTRY_PASSWORD of ${registry}, masked and protected.`]), ...(compare === undefined ? [] : ['Wants COMMENT_TOKEN, a project token with the scope api and the role Reporter, to comment on changes; without it there is no comment.']), ...(deploy === undefined ? [] : ['Wants KUBECONFIG, a variable of type file, protected, of an account that may do nothing but deploy into this namespace.'])])}stages: [test, push${deploy === undefined ? '' : ', deploy'}]

default:
  # Better with its digest, which your registry knows.
  image: node:${node}-bookworm-slim
  interruptible: true

variables:
  TAG: $CI_COMMIT_SHA
${own ? '  REGISTRY_USER: $CI_REGISTRY_USER\n  REGISTRY_PASSWORD: $CI_REGISTRY_PASSWORD\n' : ''}
workflow:
  rules:
    - if: ${change}
    - if: ${main}

test:
  stage: test
  timeout: 30m
  script:
${list([install, testService, testModels, build])}${testModels === undefined ? '' : `  artifacts:
    when: always
    paths: ["report*"]
    reports:
      junit: ["report*.xml"]
`}
${
    compare === undefined
      ? ''
      : `compare:
  stage: test
  timeout: 30m
  rules:
    - if: ${change}
  before_script:
    - "apt-get update -qq && apt-get install -y -qq --no-install-recommends git ca-certificates > /dev/null"
${list([install])}  script:
    - "rm -rf before && git fetch --quiet --depth 1 origin \\"$CI_MERGE_REQUEST_TARGET_BRANCH_NAME\\" && git worktree add --force before FETCH_HEAD"
${list([compare])}  after_script:
    # Its own comment, each time anew.
    - "[ -z \\"$COMMENT_TOKEN\\" ] || [ ! -e report.md ] || node -e \\"const fs=require('fs');const text=fs.readdirSync('.').filter(f=>/^report.*[.]md$/.test(f)).sort().map(f=>fs.readFileSync(f,'utf8')).join('');fetch(process.env.CI_API_V4_URL+'/projects/'+process.env.CI_PROJECT_ID+'/merge_requests/'+process.env.CI_MERGE_REQUEST_IID+'/notes',{method:'POST',headers:{'content-type':'application/json','private-token':process.env.COMMENT_TOKEN},body:JSON.stringify({body:text})}).then(r=>{if(!r.ok)throw new Error('comment: '+r.status)})\\""

`
  }push:
  stage: push
  timeout: 30m
  interruptible: false
  rules:
    - if: ${main}
  script:
${list([install, build, login, push])}${
    deploy === undefined
      ? ''
      : `
deploy:
  stage: deploy
  timeout: 30m
  interruptible: false
  # One at a time.
  resource_group: production
  environment: production
  rules:
    - if: ${main}
  script:
${list([install, deploy])}`
  }`;
}

function jenkins(pipeline: Pipeline): string {
  const { install, testService, testModels, compare, login, build, push, deploy, registry, branch, node } = pipeline;
  const sh = (command: string, by: number): string => `${' '.repeat(by)}sh '''\n${indent(command.replaceAll('\\', '\\\\').replaceAll("'''", "\\'\\'\\'"), by + 2)}\n${' '.repeat(by)}'''\n`;
  const stage = (name: string, command: string, when = ''): string => `    stage('${name}') {\n${when}      steps {\n${sh(command, 8)}      }\n    }\n`;
  const onMain = `      when { branch '${branch}' }\n`;
  return `${head('//', [`Wants the credentials 'registry' (user and password of ${registry})${deploy === undefined ? '' : " and 'kubeconfig' (a file, of an account that may do nothing but deploy into this namespace)"}, and an agent with Docker or Node ${node}.`, 'Wants the plugins Pipeline, Docker Pipeline, Credentials Binding, JUnit.'])}pipeline {
  agent {
    // Better with its digest, which your registry knows.
    docker { image 'node:${node}-bookworm' }
  }
  options {
    timeout(time: 60, unit: 'MINUTES')
    disableConcurrentBuilds()
    buildDiscarder(logRotator(numToKeepStr: '30'))
  }
  environment {
    TAG = "\${env.GIT_COMMIT}"
    // Where npm and Modelport may write in a container whose user has no home.
    HOME = "\${env.WORKSPACE_TMP}"
    NPM_CONFIG_PREFIX = "\${env.WORKSPACE_TMP}/npm"
    PATH = "\${env.WORKSPACE_TMP}/npm/bin:\${env.PATH}"
  }
  stages {
${stage('Install', install)}${testService === undefined ? '' : stage('Test services', testService)}${testModels === undefined ? '' : stage('Test models', testModels)}${
    compare === undefined ? '' : stage('Compare with the main branch', `rm -rf before\ngit fetch --quiet --depth 1 origin "$CHANGE_TARGET" && git worktree add --force before FETCH_HEAD\n${compare}`, '      when { changeRequest() }\n')
  }${stage('Build', build)}    stage('Push') {
${onMain}      steps {
        withCredentials([usernamePassword(credentialsId: 'registry', usernameVariable: 'REGISTRY_USER', passwordVariable: 'REGISTRY_PASSWORD')]) {
${sh(`${login}\n${push}`, 10)}        }
      }
    }
${
    deploy === undefined
      ? ''
      : `    stage('Deploy') {
${onMain}      steps {
        withCredentials([file(credentialsId: 'kubeconfig', variable: 'KUBECONFIG')]) {
${sh(deploy, 10)}        }
      }
    }
`
  }  }
${
    testModels === undefined
      ? ''
      : `  post {
    always {
      junit allowEmptyResults: true, testResults: 'report*.xml'
      archiveArtifacts allowEmptyArchive: true, artifacts: 'report*'
    }
  }
`
  }}
`;
}
