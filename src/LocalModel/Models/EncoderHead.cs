namespace Kotonoha.LocalModel.Models;

/// <summary>What stands on top of an encoder.</summary>
public enum EncoderHead
{
    /// <summary>Nothing: the hidden states are what is wanted.</summary>
    None,

    /// <summary>The token that a masked place stands for.</summary>
    MaskedLanguageModel,

    /// <summary>A class of the whole text; with one label a score, as cross-encoders give it.</summary>
    SequenceClassification,

    /// <summary>A class for each token.</summary>
    TokenClassification,

    /// <summary>Where an answer begins and where it ends.</summary>
    QuestionAnswering,

    /// <summary>Whether the second text follows the first: label 0 means that it does.</summary>
    NextSentence,
}
