using System.Text.Json;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;

namespace Kotonoha.LocalModel.Tests.Generation;

public sealed class ConstraintTests : IDisposable
{
    private static readonly Grammar Person = Grammar.FromJsonSchema(JsonDocument.Parse(
        """{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"integer","minimum":7,"maximum":99}},"required":["a","n"]}""").RootElement);

    private readonly LocalGpt _model = TinyGpt.Create();

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(0f)]
    [InlineData(1.5f)]
    public async Task An_untrained_model_writes_json_of_the_schema_within_its_limit(float temperature)
    {
        for (int limit = 13; limit < 40; limit += 3)
        {
            var result =
                await _model.CompleteAsync(
                    Request(Person) with
                    {
                        MaxOutputTokens = limit,
                        Sampling = new SamplingOptions { Temperature = temperature, Seed = limit }
                    });
            using var document = JsonDocument.Parse(result.Text);
            Assert.InRange(document.RootElement.GetProperty("n").GetInt32(), 7, 99);
            Assert.Equal(JsonValueKind.String, document.RootElement.GetProperty("a").ValueKind);
            Assert.InRange(result.TokenIds.Count, 1, limit);
            Assert.Equal(FinishReason.EndToken, result.FinishReason);
        }
    }

    [Fact]
    public async Task Bans_and_penalties_do_not_break_the_grammar()
    {
        var digits = Enumerable.Range(0, _model.VocabularySize).Where(id => _model.Tokenizer.Decode([id]).Any(char.IsAsciiDigit)).ToArray();
        var sampling = new SamplingOptions
        {
            Temperature = 1,
            Seed = 3,
            SuppressTokens = digits,
            RepetitionPenalty = 1.5f,
            NoRepeatNgramSize = 1,
            MinNewTokens = 30,
            TopK = 2,
            ForcedFirstToken = digits[0],
        };
        var result = await _model.CompleteAsync(Request(Person) with { MaxOutputTokens = 40, Sampling = sampling });
        Assert.True(Person.Matches(result.Text), result.Text);
    }

    [Fact]
    public async Task Log_probabilities_stay_those_of_the_model()
    {
        var result =
            await _model.CompleteAsync(Request(Grammar.FromChoices(["the fox", "the dog"])) with { IncludeLogProbabilities = true });
        Assert.Contains(result.Text, (string[])["the fox", "the dog"]);
        int[] prompt = _model.Tokenizer.Encode("the ");
        var scores = await _model.ScoreTokensAsync([.. prompt, .. result.TokenIds]);
        Assert.Equal(scores.LogProbabilities.Skip(prompt.Length - 1), result.LogProbabilities, (x, y) => Math.Abs(x - y) < 1e-5);
    }

    [Fact]
    public async Task End_tokens_come_only_where_the_text_is_complete()
    {
        int end = _model.Tokenizer.TokenToId("<|end|>")!.Value;
        var sampling = SamplingOptions.Greedy with { LogitBias = new Dictionary<int, float> { [end] = 100 } };
        var grammar = Grammar.Repeat(Grammar.Literal("fox"), 2, null, Grammar.Literal(" "));
        var result = await _model.CompleteAsync(Request(grammar) with { Sampling = sampling, EndTokenIds = [end] });
        Assert.Equal("fox fox", result.Text);
        Assert.Equal(end, result.TokenIds[^1]);
        Assert.Equal(FinishReason.EndToken, result.FinishReason);

        var endless = await _model.CompleteAsync(Request(grammar) with { EndTokenIds = [], MaxOutputTokens = 11 });
        Assert.True(grammar.Matches(endless.Text), endless.Text);
        Assert.Equal(FinishReason.Length, endless.FinishReason);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_refused_before_the_first_token()
    {
        var error = await Assert.ThrowsAsync<GrammarException>(() => _model.CompleteAsync(Request(Person) with { MaxOutputTokens = 5 }));
        Assert.Equal(GrammarError.BudgetTooSmall, error.Error);
        error = await Assert.ThrowsAsync<GrammarException>(() => _model.CompleteAsync(Request(Grammar.ControlToken("<no such token>"))));
        Assert.Equal(GrammarError.NotSpellable, error.Error);
        await Assert.ThrowsAsync<ArgumentException>(() => _model.CompleteAsync(Request(Person) with { StopStrings = ["x"] }));
        await Assert.ThrowsAsync<ArgumentException>(() => _model.CompleteAsync(Request(Person) with { IgnoreEndTokens = true }));
        await Assert.ThrowsAsync<ArgumentException>(
            () => _model.BeamSearchAsync(Request(Person) with { Sampling = SamplingOptions.Greedy }, new BeamSearchOptions()));
        await Assert.ThrowsAsync<ArgumentException>(() => _model.CompleteAsync(Request(Grammar.Literal("")) with { EndTokenIds = [] }));
    }

    [Fact]
    public async Task Control_tokens_are_written_as_tokens()
    {
        int user = _model.Tokenizer.TokenToId("<|user|>")!.Value;
        var result =
            await _model.CompleteAsync(
                Request(Grammar.Sequence(Grammar.Literal("the"), Grammar.ControlToken("<|user|>"), Grammar.Literal("fox"))));
        Assert.Equal("thefox", result.Text);
        Assert.Contains(user, result.TokenIds);
    }

    [Fact]
    public async Task Many_sequences_share_a_grammar()
    {
        var texts = await Task.WhenAll(Enumerable.Range(0, 12).Select(async i => (await _model.CompleteAsync(
            Request(Person) with { MaxOutputTokens = 30, Sampling = new SamplingOptions { Temperature = 1, Seed = i } })).Text));
        Assert.All(texts, text => Assert.True(Person.Matches(text), text));
        Assert.True(texts.Distinct().Count() > 6);
    }

    private static GenerationRequest Request(Grammar grammar)
        => GenerationRequest.FromPrompt("the ") with { Constraint = grammar, MaxOutputTokens = 40 };
}
