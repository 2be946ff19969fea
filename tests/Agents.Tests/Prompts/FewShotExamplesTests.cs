using Kotonoha.Agents.Prompts;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Prompts;

public class FewShotExamplesTests
{
    private static readonly FewShotExample[] Examples =
        [.. Enumerable.Range(0, 10).Select(i => new FewShotExample($"q{i}", new string('a', i)))];

    private static async Task<IEnumerable<string>> ChooseAsync(IExampleSelector selector)
        => (await selector.SelectAsync(Examples, "input")).Select(example => example.Input);

    [Fact]
    public async Task Examples_become_pairs_of_messages()
    {
        var messages = await new FewShotExamples([new("1+1", "2"), new("2+2", "4")]).SelectMessagesAsync("3+3");
        Assert.Equal([(ChatRole.User, "1+1"), (ChatRole.Assistant, "2"), (ChatRole.User, "2+2"), (ChatRole.Assistant, "4")],
            messages.Select(m => (m.Role, m.Text)));
    }

    [Fact]
    public async Task First_takes_the_first()
    {
        Assert.Equal(["q0", "q1", "q2"], await ChooseAsync(new FirstExampleSelector(3)));
        Assert.Equal(10, (await ChooseAsync(new FirstExampleSelector(99))).Count());
        Assert.Empty(await ChooseAsync(new FirstExampleSelector(0)));
    }

    [Fact]
    public async Task Budget_leaves_out_what_does_not_fit()
    {
        // An example measures 2 + i UTF-16 units: 2 + 3 + 4 + 5 = 14, then nothing below 6 is left for 1.
        Assert.Equal(["q0", "q1", "q2", "q3"], await ChooseAsync(new BudgetExampleSelector(15)));
        Assert.Equal(["q0", "q2"],
            await ChooseAsync(
                new BudgetExampleSelector(4,
                    text => text switch { "" => 1, "a" => 9, _ when text.StartsWith('q') => 1, "aa" => 1, _ => 9 })));
        Assert.Empty(await ChooseAsync(new BudgetExampleSelector(1)));
    }

    [Fact]
    public async Task Random_is_the_same_for_the_same_seed_and_fair_over_seeds()
    {
        Assert.Equal(await ChooseAsync(new RandomExampleSelector(4, 7)), await ChooseAsync(new RandomExampleSelector(4, 7)));
        var counts = new Dictionary<string, int>();
        const int draws = 4000;
        for (ulong seed = 0; seed < draws; seed++)
        {
            var chosen = (await ChooseAsync(new RandomExampleSelector(3, seed))).ToList();
            Assert.Equal(3, chosen.Distinct().Count());
            Assert.Equal(chosen.Order(StringComparer.Ordinal), chosen);
            foreach (var name in chosen)
                counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        // Each is expected 1200 times with a standard deviation of 29: five of them are never left.
        Assert.All(Examples, example => Assert.InRange(counts[example.Input], 1055, 1345));
    }

    [Fact]
    public void A_negative_count_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new FirstExampleSelector(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RandomExampleSelector(-1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BudgetExampleSelector(-1));
    }
}
