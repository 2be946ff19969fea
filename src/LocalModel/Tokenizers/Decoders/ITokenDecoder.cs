using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Turns tokens back into text, or into other tokens for the decoder behind it.</summary>
internal interface ITokenDecoder
{
    /// <summary>Starts decoding one text; a whole text is decoded through the same stream.</summary>
    /// <param name="next">Gets the tokens.</param>
    /// <param name="incremental">Whether the text is wanted while its tokens come; otherwise all of them come before anyone looks.</param>
    IDecoderStream Start(IDecoderStream next, bool incremental);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
