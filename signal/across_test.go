package signal

import "testing"

// TestAcrossNodes holds the promises of one node again, with the first, the
// second or both members of each room on another node than the one that keeps it; and
// of two processes with both sockets in the old one, and the room in the new one.
func TestAcrossNodes(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"first", "second", "both", "processes"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			for name, test := range promises() {
				t.Run(name, test)
			}
		})
	}
}

// promises are the tests of what clients see.
func promises() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"ARelayGoes":                            TestARelayGoes,
		"WhoMeetsNobodyIsToldWithin10Seconds":   TestWhoMeetsNobodyIsToldWithin10Seconds,
		"AMatchThatIsCommittedStays":            TestAMatchThatIsCommittedStays,
		"WhoWasAwayWhenNobodyCameIsTold":        TestWhoWasAwayWhenNobodyCameIsTold,
		"WhatIsSaidEarlyFollowsTheAccept":       TestWhatIsSaidEarlyFollowsTheAccept,
		"NothingIsKeptForWhoDoesNotCome":        TestNothingIsKeptForWhoDoesNotCome,
		"WhoSaysTooMuchTooEarlyIsAtFault":       TestWhoSaysTooMuchTooEarlyIsAtFault,
		"TheFirstMayBeLostAfterItsOffer":        TestTheFirstMayBeLostAfterItsOffer,
		"NothingIsLostWhileTheSecondComes":      TestNothingIsLostWhileTheSecondComes,
		"WhatIsSaidAheadOfTheWebhooksAnswer":    TestWhatIsSaidAheadOfTheWebhooksAnswer,
		"Happened":                              TestHappened,
		"Outcomes":                              TestOutcomes,
		"ManyOutcomes":                          TestManyOutcomes,
		"HappenedToWhoIsLost":                   TestHappenedToWhoIsLost,
		"WhoHidesIsSeenThroughTheRelayOnly":     TestWhoHidesIsSeenThroughTheRelayOnly,
		"ARoomThatAnApplicationHasNamed":        TestARoomThatAnApplicationHasNamed,
		"NoDeadSeats":                           TestNoDeadSeats,
		"WhoReconnectsIsNotFull":                TestWhoReconnectsIsNotFull,
		"ANewcomerMeetsNoSurvivor":              TestANewcomerMeetsNoSurvivor,
		"NamesThatAreNone":                      TestNamesThatAreNone,
		"ResumeInANamedRoom":                    TestResumeInANamedRoom,
		"RoomsAreListed":                        TestRoomsAreListed,
		"EndTellsBoth":                          TestEndTellsBoth,
		"ARoomIsOverBeforeItBegins":             TestARoomIsOverBeforeItBegins,
		"EndFromANetwork":                       TestEndFromANetwork,
		"AChatOutlivesTheServer":                TestAChatOutlivesTheServer,
		"WhoComesBackAloneIsTold":               TestWhoComesBackAloneIsTold,
		"TheOtherOneMayComeForTheFirstTime":     TestTheOtherOneMayComeForTheFirstTime,
		"TheFirstSeatIsForNoNewcomer":           TestTheFirstSeatIsForNoNewcomer,
		"AllComeBackAtOnce":                     TestAllComeBackAtOnce,
		"OneOfTheTwoLearnsTheOthersAddress":     TestOneOfTheTwoLearnsTheOthersAddress,
		"WhoHidesIsInNoCredential":              TestWhoHidesIsInNoCredential,
		"CredentialsAreReplacedBeforeTheyEnd":   TestCredentialsAreReplacedBeforeTheyEnd,
		"NullIsAllowedForEverythingOptional":    TestNullIsAllowedForEverythingOptional,
		"AcceptAsAyameWritesIt":                 TestAcceptAsAyameWritesIt,
		"FieldsThatAreTooLong":                  TestFieldsThatAreTooLong,
		"ALostMemberFindsItsSeatAndItsMessages": TestALostMemberFindsItsSeatAndItsMessages,
		"ASeatIsHeldFor30Seconds":               TestASeatIsHeldFor30Seconds,
		"AHalfOpenSocketIsReplacedAtOnce":       TestAHalfOpenSocketIsReplacedAtOnce,
		"OnlyTheTokenOpensASeat":                TestOnlyTheTokenOpensASeat,
		"AnAcceptThatIsLostCostsNoSeat":         TestAnAcceptThatIsLostCostsNoSeat,
		"WhoWasAwayWhenTheOtherLeftIsTold":      TestWhoWasAwayWhenTheOtherLeftIsTold,
		"TooMuchMailGivesTheSeatUp":             TestTooMuchMailGivesTheSeatUp,
		"TheSecondMayComeWhileTheFirstIsAway":   TestTheSecondMayComeWhileTheFirstIsAway,
		"SocketsAreLostAgainAndAgain":           TestSocketsAreLostAgainAndAgain,
		"WhoHasNotAnnouncedItIsNotHeld":         TestWhoHasNotAnnouncedItIsNotHeld,
		"WhoIsAtFaultIsNotHeld":                 TestWhoIsAtFaultIsNotHeld,
		"OnlySoManySeatsAreHeld":                TestOnlySoManySeatsAreHeld,
		"TwoAreIntroduced":                      TestTwoAreIntroduced,
		"TheSeedsClient":                        TestTheSeedsClient,
		"ARoomHasTwoSeatsEver":                  TestARoomHasTwoSeatsEver,
		"FaultsCloseWith1000AndSayWhich":        TestFaultsCloseWith1000AndSayWhich,
		"WithNobodyThereMessagesAreDropped":     TestWithNobodyThereMessagesAreDropped,
		"PingsAndPongs":                         TestPingsAndPongs,
		"ARoomEndsWhenSomebodyLeavesIt":         TestARoomEndsWhenSomebodyLeavesIt,
		"OneThatNeverReadsIsAloneWithIt":        TestOneThatNeverReadsIsAloneWithIt,
		"OneThatNeverReadsIsCutAfter5Seconds":   TestOneThatNeverReadsIsCutAfter5Seconds,
		"AStandaloneMemberLeavesInSilence":      TestAStandaloneMemberLeavesInSilence,
		"NoByeAroundStandaloneMembers":          TestNoByeAroundStandaloneMembers,
		"StandaloneMembersSeeNoPing":            TestStandaloneMembersSeeNoPing,
		"ConnectedIsIgnoredFromOthers":          TestConnectedIsIgnoredFromOthers,
		"TheLatestTokenHasTheSeat":              TestTheLatestTokenHasTheSeat,
		"ATokenSaysWhatItsMemberHasAnnounced":   TestATokenSaysWhatItsMemberHasAnnounced,
		"ATokenOfThreeServers":                  TestATokenOfThreeServers,
		"TheWebhooksAreAyames":                  TestTheWebhooksAreAyames,
		"AnswersOfTheWebhook":                   TestAnswersOfTheWebhook,
		"WhatTheWebhookDoesNotGive":             TestWhatTheWebhookDoesNotGive,
		"TheOrderOfAdmission":                   TestTheOrderOfAdmission,
		"AWebhookThatHangs":                     TestAWebhookThatHangs,
		"WhoLeavesWhileItIsAskedForTakesNoSeat": TestWhoLeavesWhileItIsAskedForTakesNoSeat,
		"AStayIsReportedOnce":                   TestAStayIsReportedOnce,
		"ReportsThatNobodyTakes":                TestReportsThatNobodyTakes,
		"AnAnswerThatComesTooLate":              TestAnAnswerThatComesTooLate,
	}
}
