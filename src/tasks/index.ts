/** The registry of tasks: one line each. Without a word in the config, the first that recognizes a model is its task. */
import type { Task } from '../task.ts';
import { audioClassification } from './audio-classification/audio-classification.ts';
import { featureExtraction } from './feature-extraction/feature-extraction.ts';
import { fileClassification } from './file-classification/file-classification.ts';
import { fillMask } from './fill-mask/fill-mask.ts';
import { imageClassification } from './image-classification/image-classification.ts';
import { imageSegmentation } from './image-segmentation/image-segmentation.ts';
import { objectDetection } from './object-detection/object-detection.ts';
import { opticalCharacterRecognition } from './optical-character-recognition/optical-character-recognition.ts';
import { questionAnswering } from './question-answering/question-answering.ts';
import { recommendation } from './recommendation/recommendation.ts';
import { sentenceSimilarity } from './sentence-similarity/sentence-similarity.ts';
import { tabularClassification } from './tabular-classification/tabular-classification.ts';
import { tabularRegression } from './tabular-regression/tabular-regression.ts';
import { textClassification } from './text-classification/text-classification.ts';
import { textGeneration } from './text-generation/text-generation.ts';
import { tokenClassification } from './token-classification/token-classification.ts';
import { voiceActivityDetection } from './voice-activity-detection/voice-activity-detection.ts';
import { zeroShotClassification } from './zero-shot-classification/zero-shot-classification.ts';
import { zeroShotImageClassification } from './zero-shot-image-classification/zero-shot-image-classification.ts';

/** A task that recognizes a kind of what another one recognizes comes before that one. */
export const tasks: readonly Task[] = [
  audioClassification,
  sentenceSimilarity,
  featureExtraction,
  fileClassification,
  fillMask,
  imageClassification,
  imageSegmentation,
  objectDetection,
  opticalCharacterRecognition,
  questionAnswering,
  recommendation,
  tabularRegression,
  zeroShotClassification,
  textClassification,
  tabularClassification,
  textGeneration,
  tokenClassification,
  voiceActivityDetection,
  zeroShotImageClassification,
];
