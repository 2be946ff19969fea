namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>The patterns that cut text into words for byte-level BPE.</summary>
public enum WordPattern
{
    /// <summary>GPT-2's: a blank goes with the word behind it, numbers and punctuation stay whole.</summary>
    Gpt2,

    /// <summary>cl100k's as Llama 3 spells it: at most three digits a word, line ends go with the punctuation before them.</summary>
    Cl100k,
}
