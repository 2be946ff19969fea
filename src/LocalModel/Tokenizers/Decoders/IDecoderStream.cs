namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>One step of a text on its way from tokens to characters. It hands what is certain to the step behind it.</summary>
internal interface IDecoderStream
{
    /// <summary>Takes a token, or a part of one.</summary>
    /// <param name="text">The characters.</param>
    /// <param name="endsToken">Whether the token ends here.</param>
    void Push(ReadOnlySpan<char> text, bool endsToken);

    /// <summary>Hands on what is left, and ends the step behind.</summary>
    void Finish();
}
