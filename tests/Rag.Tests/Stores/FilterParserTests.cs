using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>Filters as they are written.</summary>
public sealed class FilterParserTests
{
    [Theory]
    [InlineData("tag:a", "x.md a", true)]
    [InlineData("tag:a", "x.md b", false)]
    [InlineData("tag:a and tag:b", "x.md a b", true)]
    [InlineData("tag:a and tag:b", "x.md a", false)]
    [InlineData("tag:a or tag:b and tag:c", "x.md a", true)]
    [InlineData("(tag:a or tag:b) and tag:c", "x.md a", false)]
    [InlineData("NOT source:docs/ AND tag:a", "docs/x.md a", false)]
    [InlineData("not (source:docs or source:old)", "new/x.md", true)]
    [InlineData("source:docs/x.md,docs/y.md", "docs/y.md", true)]
    [InlineData("tag:\"a,b\"", "x.md a,b", true)]
    [InlineData("tag:a,b", "x.md a,b", false)]
    [InlineData("source:\"日本語 資料\"", "日本語\u0020資料", true)]
    [InlineData("tag:or", "x.md or", true)]
    public void A_filter_lets_through_what_it_says(string filter, string document, bool passes)
    {
        string[] parts = document.Contains('資') ? [document] : document.Split(' ');
        Assert.Equal(passes, StoreFilter.Parse(filter).Accepts(parts[0], parts[1..]));
    }

    [Theory]
    [InlineData("", "missing at the end")]
    [InlineData("year>2020", "there is no 'year'")]
    [InlineData("price:12", "compared as texts")]
    [InlineData("tag", "takes a colon")]
    [InlineData("tag:", "a name is missing")]
    [InlineData("source:/", "names no document")]
    [InlineData("tag:a tag:b", "'and' or 'or' is missing")]
    [InlineData("(tag:a", "')' is missing")]
    [InlineData("tag:\"a", "closing quotation mark")]
    [InlineData("not", "missing at the end")]
    public void What_is_no_filter_is_refused_with_what_is_allowed(string filter, string why)
    {
        var error = Assert.Throws<KotonohaException>(() => StoreFilter.Parse(filter));
        Assert.Contains(why, error.Message);
        Assert.Contains("tag:NAME", error.Message);
    }

    [Fact]
    public void Parentheses_do_not_nest_without_end()
        => Assert.Throws<KotonohaException>(() => StoreFilter.Parse(new string('(', 5000)));
}
