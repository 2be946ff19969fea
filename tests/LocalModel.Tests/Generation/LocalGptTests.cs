using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class LocalGptTests : IDisposable
{
    private readonly LocalGpt model = TinyGpt.Create();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Streamed_pieces_joined_are_the_text_of_the_whole()
    {
        var request = GenerationRequest.FromPrompt("the quick") with { MaxOutputTokens = 40, IgnoreEndTokens = true, Sampling = new SamplingOptions { Seed = 5 } };
        var pieces = new List<GenerationUpdate>();
        await foreach (var update in model.GenerateAsync(request))
            pieces.Add(update);
        var whole = await model.CompleteAsync(request);

        Assert.True(pieces.Count > 5);
        Assert.Equal(whole.Text, string.Concat(pieces.Select(p => p.Text)));
        Assert.Equal(whole.TokenIds, pieces.SelectMany(p => p.TokenIds));
        Assert.Equal(40, whole.TokenIds.Count);
        Assert.Equal(model.Tokenizer.Decode([.. whole.TokenIds], skipSpecialTokens: true), whole.Text);
        Assert.Equal(FinishReason.Length, whole.FinishReason);
        Assert.All(pieces.SkipLast(1), p => Assert.Null(p.FinishReason));
        Assert.Equal(model.CountTokens("the quick"), whole.Usage.InputTokens);
        Assert.Equal(40, whole.Usage.OutputTokens);
        Assert.Equal(5, whole.Usage.Seed);
    }
}
