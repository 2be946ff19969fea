namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>Works a word out without a cache.</summary>
internal interface IWordTokenizer
{
    /// <summary>Appends the tokens of a word.</summary>
    void Run(ReadOnlySpan<char> piece, TokenSink sink);
}
