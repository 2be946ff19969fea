using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Turns tokens back into text.</summary>
internal interface ITokenDecoder
{
    /// <summary>Starts decoding one text; a whole text is decoded through the same stream.</summary>
    IDecoderStream Start();

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}
