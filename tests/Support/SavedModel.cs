using System.Text;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.Tokenizers;

namespace Kotonoha.Tests.Support;

/// <summary>The small model as a checkpoint.</summary>
public static class SavedModel
{
    public static void Save(string folder, ulong seed = 7, int contextLength = TinyGpt.ContextLength, Tokenizer? tokenizer = null)
    {
        tokenizer ??= TinyGpt.Tokenizer;
        using var weights = TinyGpt.Model(seed, contextLength, tokenizer);
        using var json = new MemoryStream();
        tokenizer.Write(json);
        int end = tokenizer.TokenToId("<|endoftext|>")!.Value;
        weights.Save(folder, new CheckpointParts
        {
            TokenizerJson = Encoding.UTF8.GetString(json.ToArray()),
            TokenizerSettings = new TokenizerSettings { ChatTemplate = ChatTemplate.Kotonoha.Jinja },
            GenerationSettings = new GenerationSettings { BosTokenId = end, EosTokenIds = [end] },
        });
    }
}
