"""Floor 5: networks, each on a page: `from minigrad.models import GPT`. How each is trained stands in `recipes/`."""

from .autoencoder import Autoencoder
from .bert import BERT
from .char_lstm import CharLSTM
from .char_rnn import CharRNN
from .cnn_cifar import CifarCNN
from .cnn_mnist import MnistCNN
from .encoder import EncoderClassifier
from .encoder_decoder import EncoderDecoder
from .gan import GAN
from .generation import generate
from .gpt import GPT
from .gpt2 import load_gpt2
from .inception import InceptionNet
from .linear import LinearModel
from .lstm_classifier import LSTMClassifier
from .mlp import MLP
from .resnet import ResNet
from .text_classifier import TextClassifier
from .vgg import VGG
from .vit import ViT

__all__ = [
    "Autoencoder",
    "BERT",
    "CharLSTM",
    "CharRNN",
    "CifarCNN",
    "EncoderClassifier",
    "EncoderDecoder",
    "GAN",
    "GPT",
    "InceptionNet",
    "LSTMClassifier",
    "LinearModel",
    "MLP",
    "MnistCNN",
    "ResNet",
    "TextClassifier",
    "VGG",
    "ViT",
    "generate",
    "load_gpt2",
]
