using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>One text on its way from tokens to characters.</summary>
internal interface IDecoderStream
{
    /// <summary>Takes the next token and appends the whole characters that are now certain.</summary>
    void Push(string token, StringBuilder output);

    /// <summary>Appends what is left.</summary>
    void Finish(StringBuilder output);
}
